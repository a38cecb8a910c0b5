/** The heads of one client's requests as the app gets them. */
import { flat } from "./memo.ts";
import type { Fields, RequestHead } from "./request-head.ts";

/** What the last request's head was after its target and before its id. */
interface Rest {
  fields: Fields;
  method: string;
  expects: boolean;
  text: string;
  /** It was used again: the text is one piece. */
  again: boolean;
}

export class AppHead {
  readonly #address: string;
  #last: Rest | undefined;

  /** @param address of the client */
  constructor(address: string) {
    this.#address = address;
  }

  /** The whole head. What follows its target is mostly that of the request before. */
  text({ method, fields, target }: RequestHead, requestId: string, expects: boolean): string {
    let last = this.#last;
    if (last === undefined || last.fields !== fields || last.method !== method || last.expects !== expects) {
      const text = this.#rest(method, fields, expects);
      this.#last = last = { fields, method, expects, text, again: false };
    } else if (!last.again) {
      last.text = flat(last.text);
      last.again = true;
    }
    return `${method} ${target}${last.text}${requestId}\r\n\r\n`;
  }

  #rest(method: string, { authority, lines, framing }: Fields, expects: boolean): string {
    const address = this.#address;
    const node = address.includes(":") ? `"[${address}]"` : address;
    const expect = expects ? "Expect: 100-continue\r\n" : "";
    const length = lengthLine(method, framing.chunked, framing.length);
    return (
      ` HTTP/1.1\r\nHost: ${authority}\r\n${lines}${expect}${length}` +
      `Forwarded: for=${node};host="${authority}";proto=http\r\nX-Forwarded-For: ${address}\r\n` +
      `X-Forwarded-Host: ${authority}\r\nX-Forwarded-Proto: http\r\nX-Real-Ip: ${address}\r\nX-Request-Id: `
    );
  }
}

function lengthLine(method: string, chunked: boolean, length: number): string {
  if (chunked) return "Transfer-Encoding: chunked\r\n";
  if (length >= 0) return `Content-Length: ${length}\r\n`;
  return method === "POST" || method === "PUT" || method === "PATCH" ? "Content-Length: 0\r\n" : "";
}
