/**
 * The gateway's front for HTTPS: TLS 1.2 and 1.3 (RFC 5246, 8446) with a certificate by the name that the client asks for, then HTTP/2 or
 * HTTP/1.1, as the client prefers (RFC 7301), on the same connection: plain requests of HTTP/1.1 as in plain text, the rest by Node's server. Connections without a name that has a certificate are refused in the handshake.
 */
import { constants } from "node:crypto";
import { createServer as createListener, type Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Front, FrontOptions } from "../front.ts";
import { createHttpFront } from "../http/front.ts";
import { createHttp1Clients } from "../http1/clients.ts";
import { answerAcme, lookForAcme } from "./acme.ts";
import type { Certificates } from "./certificates.ts";

/**
 * Mozilla's "intermediate" set: forward secrecy and authenticated encryption alone. Clients choose, since phones without AES in hardware
 * do better with ChaCha20.
 */
const suites = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
];

/** How long a client may come back to its session; as long as a key of the tickets is in use. */
const sessionSeconds = 12 * 3_600;

/** What the front needs besides what all do. */
interface TlsFrontOptions extends FrontOptions {
  certificates: Certificates;
}

/** Starts to accept on the descriptor. Resolves when it does; rejects with the system's error when the descriptor isn't a usable socket. */
export async function createTlsFront(fd: number, options: TlsFrontOptions): Promise<Front> {
  const { limits, certificates, log } = options;
  const rest = createHttpFront(options);
  const { wires } = rest;
  const plain = wires === undefined ? undefined : createHttp1Clients({ ...options, scheme: "https", wires }, rest);
  /** Connections whose handshake is under way. */
  let shaking = 0;
  let shaken: (() => void) | undefined;
  const done = (): void => {
    shaking -= 1;
    if (shaking === 0) shaken?.();
  };
  const server = makeServer(options);
  certificates.onUpdate(() => {
    const keys = certificates.ticketKeys;
    if (keys !== undefined && !server.getTicketKeys().equals(keys)) server.setTicketKeys(keys);
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.alpnProtocol === "h2") rest.takeHttp2(socket);
    else if (plain === undefined) rest.take(socket);
    else plain.addTls(socket);
    done();
  });
  server.on("tlsClientError", (error, socket) => {
    log.debug({ error, peer: socket.remoteAddress }, "Handshake failed");
    socket.destroy();
    done();
  });
  const shake = (socket: Socket): void => {
    shaking += 1;
    server.emit("connection", socket);
  };
  const listener = createListener({ noDelay: true }, (socket) => {
    if (!certificates.expectsAcmeTls) return shake(socket);
    lookForAcme(socket, limits.headersMs, (asks) => {
      if (asks) answerAcme(socket, certificates, limits.headersMs);
      else shake(socket);
    });
  });
  listener.maxConnections = limits.connections;
  listener.on("error", (error) => log.error({ error }, "Listener failed"));
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen({ fd, backlog: 4096 }, () => {
      listener.off("error", reject);
      resolve();
    });
  });
  return {
    async drain() {
      plain?.startDraining();
      listener.close();
      // It drains from now on, though it may still be given connections.
      const drained = rest.drain();
      await new Promise<void>((resolve) => {
        shaken = resolve;
        if (shaking === 0) resolve();
      });
      await plain?.emptied();
      await drained;
      await rest.drain();
      plain?.stop();
    },
    shed: (maxAgeMs) => {
      plain?.shed(maxAgeMs);
      rest.shed(maxAgeMs);
    },
    gone: (instance) => {
      rest.gone(instance);
    },
    close: () => {
      plain?.close();
      rest.close();
    },
  };
}

/** The one that makes the handshakes; it is given connections. */
function makeServer({ limits, certificates }: TlsFrontOptions): Server {
  const { ticketKeys } = certificates;
  return createServer({
    minVersion: "TLSv1.2",
    ciphers: suites.join(":"),
    honorCipherOrder: false,
    // A handshake costs the server more than the client; nobody who means well asks for a second one.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    ALPNProtocols: ["h2", "http/1.1"],
    SNICallback: (name, answer) => answer(null, certificates.context(name)),
    // Else a hash of the command line, which differs from gateway to gateway, and so no session would be taken up again.
    sessionIdContext: "elafros",
    sessionTimeout: sessionSeconds,
    handshakeTimeout: limits.headersMs,
    ...(ticketKeys === undefined ? {} : { ticketKeys }),
  });
}
