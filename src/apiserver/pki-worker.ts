/** The thread that makes certificates: one for each message, in any order. */
import { parentPort } from "node:worker_threads";

import { type CertificateRequest, makeCertificate } from "./pki-certificates.ts";

parentPort?.on("message", ({ id, request }: { id: number; request: CertificateRequest }) => {
  makeCertificate(request).then(
    (made) => parentPort?.postMessage({ id, made }),
    (error: unknown) => parentPort?.postMessage({ id, error: error instanceof Error ? error.message : String(error) }),
  );
});
