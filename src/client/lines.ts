import { StringDecoder } from "node:string_decoder";

/** The lines of a byte stream, without their ends; the last one also where it has none. */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder("utf8");
  // Pieces are joined once per line, so that a line of many megabytes costs linear time.
  let pieces: string[] = [];
  for await (const chunk of chunks) {
    const parts = decoder.write(chunk).split("\n");
    const last = parts.pop() ?? "";
    for (const part of parts) {
      yield pieces.length === 0 ? part : pieces.join("") + part;
      pieces = [];
    }
    if (last !== "") pieces.push(last);
  }
  const rest = pieces.join("") + decoder.end();
  if (rest !== "") yield rest;
}
