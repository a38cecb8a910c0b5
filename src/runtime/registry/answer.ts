/** A registry's answer, whole. */
import type { ClientRequest, IncomingHttpHeaders } from "node:http";

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** Sends a request that has no body; its answer, of at most `most` bytes. Rejects where there is none, or a larger one. */
export function answerOf(outgoing: ClientRequest, most: number): Promise<Answer> {
  return new Promise((resolve, reject) => {
    outgoing.on("response", (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on("data", (part: Buffer) => {
        length += part.length;
        if (length > most) outgoing.destroy(new Error(`its answer has more than ${most} bytes`));
        else parts.push(part);
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}
