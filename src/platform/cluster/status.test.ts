import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ApiStub, startApiStub } from "../../../test/support/api-stub.ts";
import { type HttpClient, httpClient } from "../../client/http.ts";
import { clusterDoctor } from "./doctor.ts";
import { clusterStatus } from "./status.ts";

let api: ApiStub;
let client: HttpClient;
/** What the server answers, by its path without the query; lists of other kinds are empty. */
let answers: Record<string, unknown>;
const now = Date.parse("2026-01-01T00:01:00Z");
const forbidden = { kind: "Status", reason: "Forbidden", code: 403, message: "you may not" };

beforeEach(async () => {
  answers = { "/version": { gitVersion: "v1.31.2" } };
  api = await startApiStub();
  api.intercept(({ url }) => {
    const body = answers[url.split("?", 1)[0] ?? ""];
    if (body !== undefined) return { status: body === forbidden ? 403 : 200, body };
    return url.includes("/leases/") ? undefined : { status: 200, body: { metadata: {}, items: [] } };
  });
  const connection = { server: api.url, insecure: false, namespace: "default", context: "c", source: "k" };
  client = httpClient(connection);
});
afterEach(async () => {
  client.close();
  await api[Symbol.asyncDispose]();
});

const deployment = (name: string, readyReplicas: number) => ({
  metadata: { name, namespace: "elafros-system" },
  spec: {
    replicas: 2,
    template: { spec: { containers: [{ image: "r/elafros:1", args: ["cluster-control", "--domain", "d.example"] }] } },
  },
  status: { readyReplicas },
});
const list = (...items: object[]) => ({ metadata: {}, items });
const installed = (ready: number) => {
  answers["/apis/apps/v1/deployments"] = list(
    deployment("elafros-controller", ready),
    deployment("elafros-gateway", 2),
  );
};
const leads = (renewTime: string) => {
  const path = "/apis/coordination.k8s.io/v1/namespaces/elafros-system/leases/elafros-controller";
  answers[path] = { metadata: {}, spec: { holderIdentity: "pod-a_10.0.0.7:7445", renewTime } };
};

describe("clusterStatus", () => {
  it("clusterStatus() finds nothing wrong where all runs", async () => {
    installed(2);
    leads("2026-01-01T00:00:58.000000Z");
    const ports = [{ port: 8080 }];
    const status = {
      loadBalancer: { ingress: [{ ip: "203.0.113.5" }, { ip: "2001:db8::1" }, { hostname: "lb.example" }] },
    };
    answers["/api/v1/services"] = list({ metadata: { name: "elafros-gateway" }, spec: { ports }, status });
    expect(await clusterStatus(client, now)).toMatchObject({
      kubernetes: "v1.31.2",
      namespace: "elafros-system",
      domain: "d.example",
      leader: "pod-a",
      addresses: ["http://203.0.113.5:8080", "http://[2001:db8::1]:8080", "http://lb.example:8080"],
      parts: [
        { name: "elafros-controller", ready: 2, wanted: 2, image: "r/elafros:1" },
        { name: "elafros-gateway", ready: 2, wanted: 2 },
      ],
      problems: [],
    });
  });

  it.each<[string, () => void, RegExp]>([
    ["Pods that aren't ready", () => installed(1), /^1 of 2 Pods of elafros-controller aren't ready/],
    ["a leader that is silent", () => leads("2025-12-31T23:00:00.000000Z"), /^No controller leads/],
    [
      "what may not be seen",
      () => (answers["/api/v1/pods"] = forbidden),
      /^Pods of all namespaces can't be seen: you may not/,
    ],
  ])("clusterStatus() tells of %s", async (_, happen, problem) => {
    installed(2);
    leads("2026-01-01T00:00:58.000000Z");
    happen();
    expect((await clusterStatus(client, now)).problems).toEqual([expect.stringMatching(problem)]);
  });

  it("clusterStatus() says that nothing is installed", async () => {
    const { parts, problems } = await clusterStatus(client, now);
    expect(parts).toEqual([]);
    expect(problems).toEqual([expect.stringContaining("Elafros isn't installed there, or you may not see it")]);
  });
});

describe("clusterDoctor", () => {
  const failing = async () =>
    (await clusterDoctor(client))
      .filter(({ ok }) => !ok)
      .map(({ check, message, required }) => [check, message, required]);

  it("clusterDoctor() finds all that is missing", async () => {
    answers["/version"] = { gitVersion: "v1.25.16" };
    answers["/api/v1/nodes"] = list({ metadata: { name: "n" }, status: { conditions: [] } });
    answers["/api/v1/namespaces/kube-system/services/kube-dns"] = forbidden;
    expect(await failing()).toEqual([
      ["kubernetes", "v1.25.16", true],
      [
        "rights",
        "you may not create customresourcedefinitions, clusterroles, namespaces, deployments, which installing needs",
        true,
      ],
      ["nodes", "0 of 1 are ready", true],
      ["dns", expect.stringContaining("no Service kube-dns"), false],
    ]);
  });

  it("clusterDoctor() leaves open what it may not see", async () => {
    answers["/version"] = { gitVersion: "v0.0.0-master" };
    answers["/api/v1/nodes"] = forbidden;
    answers["/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"] = { status: { allowed: true } };
    expect(await failing()).toEqual([
      ["kubernetes", "it doesn't say which version it is (v0.0.0-master)", false],
      ["nodes", "you may not", false],
    ]);
  });
});
