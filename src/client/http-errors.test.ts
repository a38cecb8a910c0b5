import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { makeCertificate } from "../../test/support/registry.ts";
import { openPki } from "../apiserver/pki.ts";
import { systemClock } from "../lib/clock.ts";
import { httpClient, isUnreachable } from "./http.ts";
import { unreachable } from "./http-errors.ts";
import type { Connection } from "./kubeconfig.ts";

let dir: string;
/** Of the server of a machine, and of a cluster. */
let own: string;
let other: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-unreachable-"));
  own = (await openPki({ dir: join(dir, "pki"), names: [], clock: systemClock })).ca;
  other = await readFile((await makeCertificate(dir, "127.0.0.1")).ca, "utf8");
});
afterAll(() => rm(dir, { recursive: true }));

const cluster = {
  server: "https://192.0.2.1:6443",
  context: "prod",
  source: "/home/a/.kube/config",
  insecure: false,
  namespace: "default",
};
const machine = {
  ...cluster,
  server: "https://127.0.0.1:6443",
  context: "local",
  source: "/var/lib/elafros/kubeconfig",
};
const start = "is it running? See 'elafros status', start it with 'elafros up'";
const look = "look whether the cluster runs and can be reached from here";
const choose = "or choose another cluster with --region or --kubeconfig";

interface Row {
  is: string;
  code: string;
  connection: Omit<Connection, "ca">;
  ca: () => string | undefined;
  says: string;
}

const rows: Row[] = [
  {
    is: "a machine's server on this machine",
    code: "ECONNREFUSED",
    connection: machine,
    ca: () => own,
    says: `Cannot reach the API server at https://127.0.0.1:6443: connection refused: ${start}`,
  },
  {
    is: "a machine's server elsewhere",
    code: "ETIMEDOUT",
    connection: { ...machine, server: "https://192.0.2.9:6443" },
    ca: () => own,
    says: "Cannot reach the API server at https://192.0.2.9:6443: no answer (ETIMEDOUT): is it running there, and is that the right address in /var/lib/elafros/kubeconfig?",
  },
  {
    is: "a cluster's",
    code: "ECONNREFUSED",
    connection: cluster,
    ca: () => other,
    says: `Cannot reach the API server at https://192.0.2.1:6443 (context "prod" of /home/a/.kube/config): connection refused: ${look} ('kubectl --kubeconfig /home/a/.kube/config --context prod get --raw /readyz'), correct its server in /home/a/.kube/config, ${choose}`,
  },
  {
    is: "a cluster's on this machine, without a CA",
    code: "EHOSTUNREACH",
    connection: { ...cluster, server: "https://127.0.0.1:6443", source: "/a, /b" },
    ca: () => undefined,
    says: `Cannot reach the API server at https://127.0.0.1:6443 (context "prod" of /a, /b): no answer (EHOSTUNREACH): ${look} ('kubectl --context prod get --raw /readyz'), correct its server in /a, /b, ${choose}`,
  },
  {
    is: "the cluster's that a Pod is in",
    code: "ECONNRESET",
    connection: { ...cluster, context: "in-cluster", source: "/var/run/secrets" },
    ca: () => other,
    says: `Cannot reach the API server at https://192.0.2.1:6443 (context "in-cluster" of /var/run/secrets): it closed the connection: look whether the cluster's API server runs, and whether a network policy keeps this Pod from it`,
  },
  {
    is: "a machine's, by another name",
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
    connection: machine,
    ca: () => own,
    says: "Cannot reach the API server at https://127.0.0.1:6443: its certificate isn't for that name or address: add it with 'elafros up --api-san NAME', or set tls-server-name in /var/lib/elafros/kubeconfig",
  },
  {
    is: "a cluster's, by another name",
    code: "ERR_TLS_CERT_ALTNAME_INVALID",
    connection: cluster,
    ca: () => other,
    says: `Cannot reach the API server at https://192.0.2.1:6443 (context "prod" of /home/a/.kube/config): its certificate isn't for that name or address: use one that it is for, or set tls-server-name in /home/a/.kube/config`,
  },
];

describe("unreachable()", () => {
  it.each(rows)("unreachable() says what to do about $is: $code", ({ code, connection, ca, says }) => {
    const known = ca();
    const error = unreachable(
      Object.assign(new Error("x"), { code }),
      known === undefined ? connection : { ...connection, ca: known },
    );
    expect(error.message).toBe(says);
    expect(error.reason).toBe("ServiceUnavailable");
  });

  it("httpClient() rejects with it where nothing listens", async () => {
    const client = httpClient({ ...machine, ca: own, server: "https://127.0.0.1:1" });
    onTestFinished(() => client.close());
    const error: unknown = await client.request({ method: "GET", path: "/" }).catch((thrown: unknown) => thrown);
    expect(isUnreachable(error)).toBe(true);
    expect(String(error)).toContain(`connection refused: ${start}`);
  });
});
