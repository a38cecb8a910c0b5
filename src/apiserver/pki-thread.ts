/** Has certificates made in a thread of their own, which ends when nothing was asked of it for a while. */
import { Worker } from "node:worker_threads";

import type { Clock } from "../lib/clock.ts";
import type { KeyPair } from "./pki.ts";
import type { CertificateRequest } from "./pki-certificates.ts";

const idleMs = 2_000;

type Answer = { id: number; made: KeyPair } | { id: number; error: string };

/** Gives the function that has one made. The thread keeps the process alive only while it works. */
export function certificateMaker(clock: Clock): (request: CertificateRequest) => Promise<KeyPair> {
  const waiting = new Map<number, PromiseWithResolvers<KeyPair>>();
  let worker: Worker | undefined;
  let last = 0;
  let cancelEnd: () => void = () => {};

  const start = (): Worker => {
    const file = import.meta.url.endsWith(".ts") ? "./pki-worker.ts" : "./pki-worker.js";
    const started = new Worker(new URL(file, import.meta.url), { name: "certificates" });
    const lost = (error: Error) => {
      if (worker === started) worker = undefined;
      for (const one of waiting.values()) one.reject(error);
      waiting.clear();
    };
    started.on("message", (answer: Answer) => {
      const one = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("error" in answer) one?.reject(new Error(answer.error));
      else one?.resolve(answer.made);
      if (waiting.size > 0) return;
      started.unref();
      cancelEnd = clock.after(idleMs, () => {
        worker = undefined;
        void started.terminate();
      });
    });
    started.on("error", (error) => lost(new Error("The thread that makes certificates failed", { cause: error })));
    started.on("exit", () => {
      if (worker === started) lost(new Error("The thread that makes certificates ended"));
    });
    return started;
  };

  return (request) => {
    cancelEnd();
    worker ??= start();
    worker.ref();
    const id = ++last;
    const answer = Promise.withResolvers<KeyPair>();
    waiting.set(id, answer);
    worker.postMessage({ id, request });
    return answer.promise;
  };
}
