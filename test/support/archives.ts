/** Archives made byte by byte, as no packing program would make them. */
import { crc32, deflateRawSync } from "node:zlib";

/** An entry of a zip. */
export interface ZipEntry {
  name: string;
  content: string | Uint8Array;
  /** File type and permission bits, as Unix has them. */
  mode?: number;
  /** Made on a system without permission bits. */
  dos?: boolean;
  /** Not compressed. */
  stored?: boolean;
  encrypted?: boolean;
  /** Has the content of the entry before it, which is there once: as bombs do. */
  again?: boolean;
  /** The size that is claimed, where it isn't the content's. */
  claimed?: number;
}

/** A zip with these entries (APPNOTE.TXT sections 4.3.7, 4.3.12, 4.3.16). */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  let place = 0;
  let common = Buffer.alloc(26);
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    if (entry.again === true) {
      common = Buffer.from(common);
      common.writeUInt16LE(name.length, 22);
      directory.push(record(entry, { common, place, name }));
      continue;
    }
    const content = Buffer.from(entry.content as Uint8Array);
    const data = entry.stored === true ? content : deflateRawSync(content);
    common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(0x800 | (entry.encrypted === true ? 1 : 0), 2);
    common.writeUInt16LE(entry.stored === true ? 0 : 8, 4);
    common.writeUInt32LE(crc32(content), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(entry.claimed ?? content.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from("504b0304", "hex"), common, name, data]);
    place = offset;
    directory.push(record(entry, { common, place, name }));
    parts.push(local);
    offset += local.length;
  }
  const list = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write("504b0506", 0, "hex");
  end.writeUInt16LE(entries.length, 8);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(list.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, list, end]);
}

/** An entry's record in the directory at the end. */
function record(entry: ZipEntry, { common, place, name }: { common: Buffer; place: number; name: Buffer }): Buffer {
  const head = Buffer.alloc(14);
  head.writeUInt32LE(entry.dos === true ? 0 : ((entry.mode ?? 0o100644) * 0x10000) >>> 0, 6);
  head.writeUInt32LE(place, 10);
  const madeBy = Buffer.from([20, entry.dos === true ? 0 : 3]);
  return Buffer.concat([Buffer.from("504b0102", "hex"), madeBy, common, head, name]);
}

/** An entry of a tar. */
export interface TarPart {
  name: string;
  content?: string | Uint8Array;
  /** The type flag: `0` file, `1` hard link, `2` symbolic link, `3` and `4` devices, `5` directory, `6` pipe. */
  type?: string;
  link?: string;
  /** Records of a pax header before it. */
  pax?: Record<string, string>;
  /** The size that is claimed, where it isn't the content's. */
  claimed?: number;
}

/** A tar with these entries (POSIX ustar). */
export function tarOf(parts: readonly TarPart[]): Buffer {
  return Buffer.concat([...parts.flatMap(blocksOf), Buffer.alloc(1024)]);
}

function blocksOf({ name, content = "", type = "0", link = "", pax, claimed }: TarPart): Buffer[] {
  const bytes = Buffer.from(content as Uint8Array);
  const before = pax === undefined ? [] : blocksOf({ name: "pax", type: "x", content: paxText(pax) });
  return [
    ...before,
    tarHead({ name, type, link, size: claimed ?? bytes.length }),
    bytes,
    Buffer.alloc((512 - (bytes.length % 512)) % 512),
  ];
}

function paxText(records: Record<string, string>): string {
  const lines = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const length = rest.length + 2;
    return `${length < 100 ? length : length + 1}${rest}`;
  });
  return lines.join("");
}

function tarHead({ name, type, link, size }: { name: string; type: string; link: string; size: number }): Buffer {
  const head = Buffer.alloc(512);
  head.write(name, 0, 100);
  head.write("0000777\0", 100);
  head.write("0001750\0", 108);
  head.write("0001750\0", 116);
  head.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  head.write("00000000000\0", 136);
  head.write("        ", 148);
  head.write(type, 156);
  head.write(link, 157, 100);
  head.write("ustar\u000000", 257);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return head;
}
