/**
 * Remembers header sections that came more than once and what was made of them: clients and apps say the same again and again, and comparing
 * bytes costs less than reading them. What is remembered follows from the bytes alone, so it can't be wrong, only forgotten.
 */

/** Longer sections are read each time. */
const longest = 2 * 1024;
const most = 16;
/** Up to this many bytes a loop compares faster than a call of Node's. */
const longestLoop = 64;
const lf = 0x0a;

export interface Remembered {
  /** The section, up to and with the empty line that ends it. */
  readonly bytes: Buffer;
}

export class Memo<Section extends Remembered> {
  /** Those that were found lately come first. */
  readonly #sections: Section[] = [];
  /** Marks of sections that came once, by a part of the mark. */
  readonly #seen = new Int32Array(64);

  /** The section that stands at `from`, if it is a remembered one. */
  find(bytes: Buffer, from: number, end: number): Section | undefined {
    const sections = this.#sections;
    for (let i = 0; i < sections.length; i++) {
      const section = sections[i];
      if (section === undefined || !standsAt(section.bytes, bytes, { from, end })) continue;
      // Not `sections[-1]`: V8 looks that up by name, among all that an array has.
      const before = i > 0 ? sections[i - 1] : undefined;
      if (before !== undefined) {
        sections[i - 1] = section;
        sections[i] = before;
      }
      return section;
    }
    return undefined;
  }

  /** Whether the section from `from` to `end` came before, as far as a few of its bytes tell. */
  isKnown(bytes: Buffer, from: number, end: number): boolean {
    const length = end - from;
    if (length > longest) return false;
    let mark = length;
    for (let i = 1; i <= 8; i++) mark = (Math.imul(mark, 31) + (bytes[from + ((i * length) >> 4)] ?? 0)) | 0;
    const place = (mark ^ (mark >>> 8)) & 63;
    if (this.#seen[place] === mark) return true;
    this.#seen[place] = mark;
    return false;
  }

  keep(section: Section): void {
    if (this.#sections.length === most) this.#sections.pop();
    this.#sections.push(section);
  }
}

function standsAt(section: Buffer, bytes: Buffer, { from, end }: { from: number; end: number }): boolean {
  const until = from + section.length;
  // Sections of other lengths differ here: where this one ends, theirs don't have an empty line.
  if (until > end || bytes[until - 1] !== lf || bytes[until - 3] !== lf) return false;
  if (section.length > longestLoop) return bytes.compare(section, 0, section.length, from, until) === 0;
  for (let i = 0; i < section.length; i++) if (bytes[from + i] !== section[i]) return false;
  return true;
}
