/**
 * Headers of tar archives (POSIX ustar, with a pax header where a name needs one). Written here and not by a library, because an archive's digest is
 * what tells an unchanged source: it must be the same with every version of Elafros.
 */

/** What a header tells. Owner, group and time are always zero. */
export interface TarEntry {
  path: string;
  mode: number;
  /** Bytes that follow; 0 for a link. */
  size: number;
  /** Target of a symbolic link. */
  link?: string;
}

const tarBlock = 512;
const nameBytes = 100;
const largestOctal = 8 ** 11;

/** The header's blocks. The content follows, filled up to a whole block. */
export function tarHeader({ path, mode, size, link }: TarEntry): Buffer {
  const records: [string, string][] = [];
  if (!fits(path)) records.push(["path", path]);
  if (link !== undefined && !fits(link)) records.push(["linkpath", link]);
  if (size >= largestOctal) records.push(["size", String(size)]);
  const own = block({
    name: fits(path) ? path : "long",
    mode,
    size: size >= largestOctal ? 0 : size,
    type: link === undefined ? "0" : "2",
    link: link === undefined ? "" : fits(link) ? link : "long",
  });
  if (records.length === 0) return own;
  const text = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(""));
  const head = block({ name: "pax", mode: 0o644, size: text.length, type: "x", link: "" });
  return Buffer.concat([head, text, tarPadding(text.length), own]);
}

/** The zeros that fill a content of `size` bytes up to a whole block. */
export function tarPadding(size: number): Buffer {
  return Buffer.alloc((tarBlock - (size % tarBlock)) % tarBlock);
}

/** What ends an archive. */
export function tarEnd(): Buffer {
  return Buffer.alloc(2 * tarBlock);
}

/** Whether a name can stand in the old header: its encoding beyond ASCII is nowhere defined. */
function fits(name: string): boolean {
  return name.length <= nameBytes && /^[\u0020-\u007e]*$/.test(name);
}

/** `LENGTH KEY=VALUE\n`, where the length counts itself. */
function paxRecord(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const bytes = Buffer.byteLength(rest);
  let length = bytes + String(bytes).length;
  if (bytes + String(length).length !== length) length = bytes + String(length).length;
  return `${length}${rest}`;
}

function block(fields: { name: string; mode: number; size: number; type: string; link: string }): Buffer {
  const buffer = Buffer.alloc(tarBlock);
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  buffer.write(fields.name, 0);
  buffer.write(octal(fields.mode, 7), 100);
  buffer.write(octal(0, 7), 108);
  buffer.write(octal(0, 7), 116);
  buffer.write(octal(fields.size, 11), 124);
  buffer.write(octal(0, 11), 136);
  buffer.write(" ".repeat(8), 148);
  buffer.write(fields.type, 156);
  buffer.write(fields.link, 157);
  buffer.write("ustar\u000000", 257);
  // Last: the sum of all bytes, its own field taken as spaces.
  const sum = buffer.reduce((total, byte) => total + byte, 0);
  buffer.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return buffer;
}
