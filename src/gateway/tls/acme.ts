/**
 * ACME servers' questions over TLS (RFC 8737): a client that offers the protocol `acme-tls/1`, and is shown the certificate that is the answer.
 * They come on the same port as everybody, so as long as one is expected, the first message of each connection is looked at before its handshake.
 */
import type { Socket } from "node:net";
import { createSecureContext, TLSSocket } from "node:tls";
import type { Certificates } from "./certificates.ts";
import { offersProtocol } from "./client-hello.ts";

const protocol = "acme-tls/1";
/** More than one record. */
const mostHelloBytes = 20_000;

/** Finds out whether the client asks as an ACME server does; what was read is put back. `decided` isn't called when the client leaves before. */
export function lookForAcme(socket: Socket, patienceMs: number, decided: (asks: boolean) => void): void {
  let bytes = Buffer.alloc(0);
  const decide = (asks: boolean): void => {
    clearTimeout(timer);
    socket.off("data", read);
    socket.pause();
    if (bytes.length > 0) socket.unshift(bytes);
    decided(asks);
  };
  const read = (piece: Buffer): void => {
    bytes = Buffer.concat([bytes, piece]);
    const offers = offersProtocol(bytes, protocol) ?? (bytes.length > mostHelloBytes ? false : undefined);
    if (offers !== undefined) decide(offers);
  };
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  timer.unref();
  socket.once("close", () => clearTimeout(timer));
  socket.on("error", () => {});
  socket.on("data", read);
}

/** Makes the handshake, with what the ACME server is to see; then there is nothing left to say. */
export function answerAcme(socket: Socket, certificates: Certificates, patienceMs: number): void {
  const secure = new TLSSocket(socket, {
    isServer: true,
    secureContext: createSecureContext(),
    ALPNProtocols: [protocol],
    SNICallback: (name, answer) => answer(null, certificates.acmeContext(name)),
  });
  const timer = setTimeout(() => socket.destroy(), patienceMs);
  timer.unref();
  secure.on("error", () => socket.destroy());
  secure.once("secure", () => secure.end());
  secure.resume();
  socket.once("close", () => clearTimeout(timer));
}
