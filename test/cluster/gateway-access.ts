/** How requests get from here to a cluster's gateways: to an address that the user gives, or through the API server by `kubectl port-forward`. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { request } from "../support/platform.ts";

export interface GatewayAccess {
  /** Asks a service at a host. */
  ask(host: string, path: string): Promise<{ status: number; text: string }>;
  close(): void;
}

/** @param address `HOST[:PORT]` */
export function directAccess(address: string): GatewayAccess {
  return {
    ask: (host, path) => request(`http://${address}${path}`, { headers: { host } }),
    close() {},
  };
}

/** A way through the API server to one of the gateways, made again where that one has gone. Needs kubectl. */
export function forwardedAccess(flags: readonly string[], namespace: string): GatewayAccess {
  let child: ChildProcess | undefined;
  let port: Promise<number> | undefined;
  const forward = (): Promise<number> => {
    const args = [...flags, "-n", namespace, "port-forward", "service/elafros-gateway", ":http"];
    const started = spawn("kubectl", args, { stdio: ["ignore", "pipe", "pipe"] });
    child = started;
    let words = "";
    started.stderr.on("data", (piece: Buffer) => (words += piece.toString()));
    return new Promise((resolve, reject) => {
      started.once("error", reject);
      started.once("exit", () => {
        port = undefined;
        reject(new Error(`kubectl port-forward ended: ${words.trim()}`));
      });
      createInterface(started.stdout).on("line", (line) => {
        const found = /^Forwarding from 127\.0\.0\.1:(\d+)/u.exec(line)?.[1];
        if (found !== undefined) resolve(Number(found));
      });
    });
  };
  return {
    async ask(host, path) {
      port ??= forward();
      const at = await port;
      try {
        return await request(`http://127.0.0.1:${at}${path}`, { headers: { host } });
      } catch (error) {
        // Through a gateway that has gone kubectl forwards for ever.
        child?.kill();
        port = undefined;
        throw error;
      }
    },
    close: () => void child?.kill(),
  };
}
