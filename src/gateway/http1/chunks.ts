/**
 * Reads a chunked body (RFC 9112 §7.1) piece by piece, wherever the pieces are cut. Data is told as ranges of the piece; sizes and extensions
 * are checked and left behind, since whoever sends the body on makes chunks of its own.
 */
import { nameBytes, valueBytes } from "./names.ts";

/** Most hexadecimal digits of a size: below 2^52. */
const mostSizeDigits = 13;
/** Most bytes of all extensions of a body together. */
const mostExtensionBytes = 4 * 1024;
const mostTrailerBytes = 8 * 1024;
const [tab, lf, cr, space, quote, semicolon, equals, backslash] = [0x09, 0x0a, 0x0d, 0x20, 0x22, 0x3b, 0x3d, 0x5c];

const at = {
  size: 0,
  moreSize: 1,
  extensionName: 2,
  moreExtensionName: 3,
  extensionValue: 4,
  moreExtensionValue: 5,
  quoted: 6,
  escaped: 7,
  afterQuoted: 8,
  sizeLf: 9,
  data: 10,
  dataCr: 11,
  dataLf: 12,
  trailerLine: 13,
  inTrailer: 14,
  trailerLf: 15,
  lastLf: 16,
  end: 17,
} as const;

export interface ChunkSink {
  /** A piece of the body's data. */
  data(bytes: Buffer, start: number, end: number): void;
}

export class Chunks {
  #at: number = at.size;
  #size = 0;
  #digits = 0;
  #left = 0;
  #extension = 0;
  #trailers: number[] = [];

  /** The body is whole, trailers and all. */
  get ended(): boolean {
    return this.#at === at.end;
  }

  /** The trailer section as it came, with the empty line; undefined without one. */
  get trailers(): Buffer | undefined {
    return this.#trailers.length === 0 ? undefined : Buffer.from([...this.#trailers, cr, lf]);
  }

  /** Reads the piece from `from`. Returns where the body ends in it, or `end`; -1 if this is no chunked body. */
  read(piece: { bytes: Buffer; from: number; end: number }, sink: ChunkSink): number {
    const { bytes, end } = piece;
    let pos = piece.from;
    while (pos < end && this.#at !== at.end) {
      if (this.#at === at.data) {
        const until = Math.min(end, pos + this.#left);
        sink.data(bytes, pos, until);
        this.#left -= until - pos;
        pos = until;
        if (this.#left === 0) this.#at = at.dataCr;
        continue;
      }
      const next = this.#step(bytes[pos] ?? 0);
      if (next < 0) return -1;
      this.#at = next;
      pos++;
    }
    return pos;
  }

  #step(byte: number): number {
    switch (this.#at) {
      case at.size:
        return this.#digit(byte);
      case at.moreSize:
        if (byte === cr) return at.sizeLf;
        if (byte === semicolon) return this.#extend(at.extensionName);
        return this.#digit(byte);
      case at.sizeLf:
        if (byte !== lf) return -1;
        this.#digits = 0;
        this.#left = this.#size;
        this.#size = 0;
        return this.#left > 0 ? at.data : at.trailerLine;
      case at.dataCr:
        return byte === cr ? at.dataLf : -1;
      case at.dataLf:
        return byte === lf ? at.size : -1;
      case at.trailerLine:
        return byte === cr ? at.lastLf : this.#trailer(byte);
      case at.inTrailer:
        return byte === cr ? this.#keep(byte, at.trailerLf) : this.#trailer(byte);
      case at.trailerLf:
        return byte === lf ? this.#keep(byte, at.trailerLine) : -1;
      case at.lastLf:
        return byte === lf ? at.end : -1;
      default:
        return this.#extensionStep(byte);
    }
  }

  #digit(byte: number): number {
    const lower = byte | 0x20;
    const digit = byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
    if (digit < 0 || ++this.#digits > mostSizeDigits) return -1;
    this.#size = this.#size * 16 + digit;
    return at.moreSize;
  }

  #trailer(byte: number): number {
    return valueBytes[byte] === 1 ? this.#keep(byte, at.inTrailer) : -1;
  }

  #keep(byte: number, next: number): number {
    return this.#trailers.push(byte) > mostTrailerBytes ? -1 : next;
  }

  #extend(next: number): number {
    return ++this.#extension > mostExtensionBytes ? -1 : next;
  }

  /** `*( ";" token [ "=" ( token / quoted-string ) ] )`, without the space that some allow. */
  #extensionStep(byte: number): number {
    const token = nameBytes[byte] !== 0;
    switch (this.#at) {
      case at.extensionName:
        return token ? this.#extend(at.moreExtensionName) : -1;
      case at.moreExtensionName:
        if (byte === equals) return this.#extend(at.extensionValue);
        return token ? this.#extend(at.moreExtensionName) : this.#afterExtension(byte);
      case at.extensionValue:
        if (byte === quote) return this.#extend(at.quoted);
        return token ? this.#extend(at.moreExtensionValue) : -1;
      case at.moreExtensionValue:
        return token ? this.#extend(at.moreExtensionValue) : this.#afterExtension(byte);
      case at.quoted:
        if (byte === quote) return this.#extend(at.afterQuoted);
        if (byte === backslash) return this.#extend(at.escaped);
        return valueBytes[byte] === 1 ? this.#extend(at.quoted) : -1;
      case at.escaped:
        return byte === tab || (byte >= space && byte < 0x7f) ? this.#extend(at.quoted) : -1;
      case at.afterQuoted:
        return this.#afterExtension(byte);
      default:
        return -1;
    }
  }

  #afterExtension(byte: number): number {
    if (byte === cr) return at.sizeLf;
    return byte === semicolon ? this.#extend(at.extensionName) : -1;
  }
}
