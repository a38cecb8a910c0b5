/** How a stream ends, where Node's HTTP/2 makes too little of the difference between END_STREAM and RST_STREAM. */
import type { Http2Stream } from "node:http2";

/**
 * Watches the stream from when Node has told of it; tells whether its incoming side ended with END_STREAM, and not by a reset that says "no
 * error". Node ends the readable side in both cases; but only at END_STREAM does it do so while the stream isn't closed yet. Without the difference,
 * what was broken off would pass on as whole.
 */
export function watchWhole(stream: Http2Stream): { readonly whole: boolean } {
  // Node tells of a client's stream when it has read on, up to the stream's end where that came in the same bytes.
  const { ended } = (stream as unknown as { _readableState: { ended: boolean } })._readableState;
  const seen = { whole: stream.endAfterHeaders || (ended && !stream.closed && !stream.destroyed) };
  const push = stream.push.bind(stream);
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !stream.closed && !stream.destroyed) seen.whole = true;
    return push(chunk, encoding);
  };
  return seen;
}

/**
 * Resets the stream, so that the peer can't take what it has for whole. Node's own `close` ends the writable side first, which sends END_STREAM;
 * that end is left out here, and the reset waits until what was written in this turn has gone, with which Node would also send it.
 *
 * @param code of RFC 9113 §7
 */
export function resetStream(stream: Http2Stream, code: number): void {
  if (stream.destroyed || stream.closed) return;
  stream._final = (done) => done();
  setImmediate(() => stream.close(code));
}
