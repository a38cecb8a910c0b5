/** kubectl itself against the API server: every command that the API promises to work. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import { describe, expect, it, onTestFinished } from "vitest";

import { Pod } from "../../src/api/pod.ts";
import type { VirtualKind } from "../../src/apiserver/virtual-kinds.ts";
import { type ApiBench, apiBench } from "../support/api-server.ts";
import { hasKubectl } from "../support/kubectl.ts";

const run = promisify(execFile);

interface Result {
  code: number;
  out: string;
  err: string;
}

type Kubectl = (...args: string[]) => Promise<Result>;

const usable = hasKubectl();

async function setUp(
  options: Parameters<typeof apiBench>[0] = {},
): Promise<{ bench: ApiBench; kubectl: Kubectl; as: (user: string) => Promise<Kubectl> }> {
  const bench = await apiBench(options);
  const as = async (user: string, groups: readonly string[] = []): Promise<Kubectl> => {
    const config = await bench.kubeconfig(user, groups);
    const cache = path.join(bench.dir, `cache-${user}`);
    return async (...args) => {
      const env = {
        ...process.env,
        KUBECONFIG: config,
        KUBECACHEDIR: cache,
      };
      try {
        const { stdout, stderr } = await run("kubectl", args, { env, timeout: 60_000 });
        return { code: 0, out: stdout, err: stderr };
      } catch (error) {
        const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
        return { code, out: stdout, err: stderr };
      }
    };
  };
  return { bench, kubectl: await as("admin", ["system:masters"]), as };
}

async function manifest(bench: ApiBench, name: string, configuration: string): Promise<string> {
  const file = path.join(bench.dir, `${name}-${configuration}.yaml`);
  const text = `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata:
  name: ${name}
  labels: {app: shop}
spec:
  rollout:
    traffic:
    - configurationName: ${configuration}
      percent: 100
`;
  await writeFile(file, text);
  return file;
}

describe.skipIf(!usable)("kubectl", () => {
  it("apply creates, changes only what changed, and tells which", async () => {
    const { bench, kubectl } = await setUp();
    const first = await manifest(bench, "shop", "one");
    expect(await kubectl("apply", "-f", first)).toMatchObject({
      code: 0,
      out: "route.elafros.dev/shop created\n",
      err: "",
    });
    expect(await kubectl("apply", "-f", first)).toMatchObject({ out: "route.elafros.dev/shop unchanged\n", err: "" });
    const second = await manifest(bench, "shop", "two");
    const difference = await kubectl("diff", "-f", second);
    expect(difference.code).toBe(1);
    expect(difference.out).toContain("+    - configurationName: two");
    expect(await kubectl("apply", "--dry-run=server", "-f", second)).toMatchObject({
      out: "route.elafros.dev/shop configured (server dry run)\n",
    });
    expect(await kubectl("apply", "-f", second)).toMatchObject({ out: "route.elafros.dev/shop configured\n", err: "" });
    const read = await kubectl(
      "get",
      "route",
      "shop",
      "-o",
      "jsonpath={.spec.rollout.traffic[*].configurationName} {.metadata.generation}",
    );
    expect(read.out).toBe("two 2");
  });

  it("apply shows what the server refuses", async () => {
    const { bench, kubectl } = await setUp();
    const file = path.join(bench.dir, "bad.yaml");
    await writeFile(
      file,
      "apiVersion: elafros.dev/v1alpha1\nkind: Route\nmetadata: {name: bad}\nspec: {rollout: {traffic: []}, bogus: 1}\n",
    );
    const unknown = await kubectl("apply", "-f", file);
    expect(unknown.code).toBe(1);
    expect(unknown.err).toContain('unknown field "spec.bogus"');
    const invalid = await kubectl("apply", "-f", file, "--validate=false");
    expect(invalid.code).toBe(1);
    expect(invalid.err).toContain("spec.rollout.traffic");
    const serverSide = await kubectl("apply", "--server-side", "-f", await manifest(bench, "shop", "one"));
    expect(serverSide.err).toContain("server-side apply is not supported yet");
  });

  it("patch, label, annotate, edit, replace and delete do what they say", async () => {
    const { bench, kubectl } = await setUp();
    await kubectl("create", "-f", await manifest(bench, "shop", "one"));
    const twice = await kubectl("create", "-f", await manifest(bench, "shop", "one"));
    expect(twice.err).toContain("already exists");
    expect(await kubectl("patch", "rt", "shop", "-p", '{"metadata":{"labels":{"a":"b"}}}')).toMatchObject({
      out: "route.elafros.dev/shop patched\n",
    });
    const json = '[{"op":"replace","path":"/spec/rollout/traffic/0/configurationName","value":"j"}]';
    expect(await kubectl("patch", "rt", "shop", "--type", "json", "-p", json)).toMatchObject({
      out: "route.elafros.dev/shop patched\n",
    });
    const merge = '{"spec":{"rollout":{"traffic":[{"configurationName":"m","percent":100}]}}}';
    expect(await kubectl("patch", "rt", "shop", "--type", "merge", "-p", merge)).toMatchObject({ code: 0 });
    expect(await kubectl("label", "rt", "shop", "x=y")).toMatchObject({ out: "route.elafros.dev/shop labeled\n" });
    expect(await kubectl("annotate", "rt", "shop", "note=kept")).toMatchObject({
      out: "route.elafros.dev/shop annotated\n",
    });
    const editor = path.join(bench.dir, "editor.sh");
    await writeFile(editor, '#!/bin/sh\nsed -i "s/configurationName: m/configurationName: edited/" "$1"\n', {
      mode: 0o755,
    });
    process.env["KUBE_EDITOR"] = editor;
    onTestFinished(() => {
      delete process.env["KUBE_EDITOR"];
    });
    expect(await kubectl("edit", "rt", "shop")).toMatchObject({ out: "route.elafros.dev/shop edited\n" });
    const wide = await kubectl("get", "rt", "-L", "x", "-l", "a=b", "--no-headers");
    expect(wide.out).toMatch(/^shop .* y$/m);
    expect(await kubectl("replace", "-f", await manifest(bench, "shop", "replaced"))).toMatchObject({
      out: "route.elafros.dev/shop replaced\n",
    });
    const field = "jsonpath={.spec.rollout.traffic[0].configurationName}=replaced";
    expect(await kubectl("wait", "rt/shop", `--for=${field}`, "--timeout=10s")).toMatchObject({ code: 0 });
    expect(await kubectl("delete", "rt", "shop")).toMatchObject({ out: 'route.elafros.dev "shop" deleted\n' });
    expect(await kubectl("get", "rt", "shop")).toMatchObject({
      code: 1,
      err: 'Error from server (NotFound): routes.elafros.dev "shop" not found\n',
    });
  });

  it("get, describe and explain read tables, Events and the schema", async () => {
    const { bench, kubectl } = await setUp();
    await kubectl("apply", "-f", await manifest(bench, "shop", "one"));
    const table = await kubectl("get", "routes");
    expect(table.out.split("\n")[0]).toMatch(/^NAME +.*AGE$/);
    expect((await kubectl("get", "all")).out).toContain("route.elafros.dev/shop");
    expect((await kubectl("get", "rt", "-A", "-o", "name")).out).toBe("route.elafros.dev/shop\n");
    expect((await kubectl("get", "rt", "shop", "-o", "yaml")).out).toContain("configurationName: one");
    expect((await kubectl("get", "ns")).out).toContain("default");
    const uid = (await kubectl("get", "rt", "shop", "-o", "jsonpath={.metadata.uid}")).out;
    const event = {
      apiVersion: "v1",
      kind: "Event",
      metadata: { name: "shop.1", namespace: "default" },
      involvedObject: { apiVersion: "elafros.dev/v1alpha1", kind: "Route", name: "shop", namespace: "default", uid },
      reason: "Shifted",
      message: "All traffic is on one",
      type: "Normal",
      count: 1,
      firstTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
      lastTimestamp: new Date().toISOString().replace(/\.\d+/, ""),
      source: { component: "test" },
    };
    const made = await bench.ask("POST", "/api/v1/namespaces/default/events", { body: event });
    expect(made.status, made.text).toBe(201);
    const described = await kubectl("describe", "rt", "shop");
    expect(described.out).toContain("Configuration Name:  one");
    expect(described.out).toMatch(/Normal +Shifted .*All traffic is on one/);
    const explained = await kubectl("explain", "route.spec.rollout.traffic");
    expect(explained.out).toContain("configurationName");
    expect((await kubectl("explain", "configurations", "--recursive")).out).toContain("container");
    expect((await kubectl("api-resources")).out).toMatch(/^routes +rt +elafros.dev\/v1alpha1 +true +Route$/m);
    expect((await kubectl("version", "-o", "json")).out).toContain("elafros");
  });

  it("explain and apply know a Route's match, affinity and guard, and apply tells each of their faults", async () => {
    const { bench, kubectl } = await setUp();
    const rules = (exact: string, window: string) => `apiVersion: elafros.dev/v1alpha1
kind: Route
metadata: {name: shop}
spec:
  rollout:
    traffic:
    - configurationName: one
      percent: 100
      match: [{header: {name: X-Group, exact: "${exact}"}}]
    affinity: {cookie: {name: client, ttl: 24h}}
    guard: {errorPercent: 1, window: ${window}}
`;
    const file = path.join(bench.dir, "rules.yaml");
    await writeFile(file, rules("beta", "30s"));
    const created = { code: 0, out: "route.elafros.dev/shop created\n", err: "" };
    expect(await kubectl("apply", "-f", file)).toMatchObject(created);
    expect((await kubectl("apply", "-f", file)).out).toBe("route.elafros.dev/shop unchanged\n");
    await writeFile(file, rules(" beta", "2h"));
    const refused = await kubectl("apply", "-f", file);
    expect(refused.code).toBe(1);
    for (const fault of [
      'spec.rollout.traffic[0].match[0].header.exact: Invalid value: " beta": must be printable ASCII',
      'spec.rollout.guard.window: Invalid value: "2h": must be from 1s to 1h',
    ]) {
      expect(refused.err).toContain(fault);
    }
    expect((await kubectl("explain", "route.spec.rollout.guard")).out).toContain("p95Milliseconds");
    expect((await kubectl("explain", "route.spec.rollout.traffic.match.header")).out).toContain("prefix");
    expect((await kubectl("explain", "route.spec.rollout.affinity.cookie.ttl")).out).toContain("Default: 0s");
  });

  it("auth can-i, whoami and create token ask about rights and make tokens", async () => {
    const { bench, kubectl, as } = await setUp();
    expect(await kubectl("auth", "can-i", "create", "routes.elafros.dev")).toMatchObject({ code: 0, out: "yes\n" });
    const alice = await as("alice");
    expect((await alice("auth", "whoami")).out).toContain("alice");
    expect(await alice("auth", "can-i", "list", "secrets")).toMatchObject({ code: 1, out: "no\n" });
    expect((await alice("get", "routes")).err).toContain(
      'User "alice" cannot list resource "routes" in API group "elafros.dev" in the namespace "default"',
    );
    expect(await kubectl("create", "rolebinding", "alice", "--clusterrole=view", "--user=alice")).toMatchObject({
      code: 0,
    });
    expect((await alice("get", "routes")).code).toBe(0);
    expect((await alice("auth", "can-i", "--list")).out).toContain("routes.elafros.dev");
    expect((await kubectl("get", "routes", "--as=bob")).err).toContain('User "bob" cannot list');
    await kubectl("create", "serviceaccount", "bot");
    await kubectl("create", "rolebinding", "bot", "--clusterrole=edit", "--serviceaccount=default:bot");
    const { out: token } = await kubectl("create", "token", "bot", "--duration=10m");
    const answer = await bench.ask("GET", "/apis/elafros.dev/v1alpha1/namespaces/default/routes", {
      token: token.trim(),
    });
    expect(answer.status, answer.text).toBe(200);
    await kubectl("delete", "serviceaccount", "bot");
    expect((await bench.ask("GET", "/api", { token: token.trim() })).status).toBe(401);
  });

  it("create secret, configmap, namespace and role send what the server reads", async () => {
    const { kubectl } = await setUp();
    await kubectl("create", "namespace", "team");
    expect(await kubectl("create", "secret", "generic", "s", "-n", "team", "--from-literal=a=b")).toMatchObject({
      code: 0,
    });
    expect((await kubectl("get", "secret", "s", "-n", "team", "-o", "jsonpath={.data.a} {.type}")).out).toBe(
      "Yg== Opaque",
    );
    expect(await kubectl("create", "configmap", "c", "-n", "team", "--from-literal=k=v")).toMatchObject({ code: 0 });
    expect((await kubectl("get", "cm", "c", "-n", "team", "-o", "jsonpath={.data.k}")).out).toBe("v");
    const role = ["create", "role", "reader", "-n", "team", "--verb=get,list", "--resource=routes.elafros.dev"];
    expect(await kubectl(...role)).toMatchObject({ code: 0 });
    expect((await kubectl("describe", "role", "reader", "-n", "team")).out).toContain("routes.elafros.dev");
    expect(await kubectl("delete", "namespace", "team", "--timeout=30s")).toMatchObject({ code: 0 });
    expect((await kubectl("get", "ns", "team")).err).toContain("NotFound");
  });

  it("logs reads, tails and follows; exec is refused with a sentence", async () => {
    const asked: unknown[] = [];
    const pods: VirtualKind = {
      kind: Pod,
      list: () => [
        {
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name: "shop-1", namespace: "default", uid: "u1", creationTimestamp: "2026-01-01T00:00:00Z" },
          spec: { containers: [{ name: "app" }] },
          status: { phase: "Running", containerStatuses: [] },
        } as never,
      ],
      subscribe: () => () => {},
    };
    const { kubectl } = await setUp({
      virtual: [pods],
      logs: {
        async *open(namespace, pod, options) {
          asked.push({ namespace, pod, options });
          yield "one\n";
          yield Buffer.from("two\n");
        },
      },
    });
    expect((await kubectl("get", "pods")).out).toContain("shop-1");
    expect(await kubectl("logs", "shop-1")).toMatchObject({ code: 0, out: "one\ntwo\n" });
    expect(await kubectl("logs", "-f", "--tail=5", "shop-1")).toMatchObject({ out: "one\ntwo\n" });
    expect(asked.at(-1)).toMatchObject({
      namespace: "default",
      pod: "shop-1",
      options: { follow: true, tailLines: 5 },
    });
    expect((await kubectl("exec", "shop-1", "--", "ls")).err).toContain("not supported yet");
    expect((await kubectl("logs", "absent")).err).toContain('pods "absent" not found');
  });

  it("get -w sees changes as they happen", async () => {
    const { bench, kubectl } = await setUp();
    await kubectl("apply", "-f", await manifest(bench, "shop", "one"));
    const config = await bench.kubeconfig("watcher", ["system:masters"]);
    const child = execFile("kubectl", ["get", "rt", "-w", "-o", "name", "--kubeconfig", config]);
    let seen = "";
    child.stdout?.on("data", (chunk: string) => (seen += chunk));
    onTestFinished(() => void child.kill("SIGKILL"));
    await expect.poll(() => seen).toBe("route.elafros.dev/shop\n");
    await kubectl("label", "rt", "shop", "n=1");
    await expect.poll(() => seen).toBe("route.elafros.dev/shop\nroute.elafros.dev/shop\n");
  });
});
