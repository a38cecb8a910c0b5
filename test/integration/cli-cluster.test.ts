/**
 * The CLI against a (simulated) Kubernetes with Elafros' real controllers: every command says and does the same as on one machine, whose
 * server and controllers play beside it.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import type { Kind } from "../../src/api/meta/kind.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { thisMachine } from "../../src/cli/platform.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { references } from "../../src/cli/objects.ts";
import { httpClient } from "../../src/client/http.ts";
import { loadKubeconfig, resolveConnection } from "../../src/client/kubeconfig.ts";
import { issueKubeconfig } from "../../src/apiserver/kubeconfig.ts";
import { type Cli, type CliResult, runningCli } from "../support/cli.ts";
import { type Cluster, startCluster } from "../support/cluster/cluster.ts";
import type { PodObject } from "../support/cluster/controllers/types.ts";
import { goodFate } from "../support/cluster/controllers/fate.ts";
import { runElafros } from "../support/cluster/elafros.ts";
import { controlBench } from "../support/control.ts";

const digest = `sha256:${"0".repeat(64)}`;
const image = ["--image", `registry.example/hello@${digest}`];
const user = { user: "user1", groups: ["system:masters"] };
const fails = ({ spec }: PodObject) => spec.containers.some(({ env }) => env?.some(({ name }) => name === "FAIL"));

let east: Cluster;
let west: Cluster;
let stopElafros: () => Promise<void>;
let home: string;
const kubeconfigOf = (name: string) => join(home, name);
const writeKubeconfig = async (name: string, { pki, url }: Pick<Cluster, "pki" | "url">, region = name) =>
  writeFile(kubeconfigOf(name), await issueKubeconfig({ pki, server: url, region, ...user }));

beforeAll(async () => {
  east = await startCluster({
    fate: (pod) =>
      fails(pod) ? { kind: "exits", startMs: 5, exitCode: 1, reason: "Error", message: "boom" } : goodFate,
    output: (pod) => (pod.startsWith("default/talker-") ? [`${pod} listens`, "second"] : []),
  });
  west = await startCluster();
  home = await mkdtemp(join(tmpdir(), "elafros-cli-cluster-"));
  await writeKubeconfig("east", east);
  await writeKubeconfig("west", west);
  stopElafros = await runElafros(east, { domain: "mydomain.com" });
});
afterAll(async () => {
  await stopElafros();
  await Promise.all([east.stop(), west.stop()]);
  await rm(home, { recursive: true });
});

/**
 * What differs whenever a command is run: ages, times, how wide that makes columns. And what differs here: the scheme, as these gateways are
 * told to serve no HTTPS, and what its server doesn't write into objects by itself.
 */
function settled({ code, stdout, stderr }: CliResult): CliResult {
  const text = (all: string) =>
    all
      .replace(/^(Conditions|Events|Scaling):\n(?:.*\n)*/m, "")
      .replace(/^(Digest|Instances): .*\n/gm, "")
      .replace(/^ +(imagePullPolicy: IfNotPresent|elafros.dev\/last-modifier=.*)\n/gm, "")
      .replaceAll("https://", "http://")
      .replaceAll(/\d{4}-\d\d-\d\d[T ][\d:.]+Z?/g, "TIME")
      .replaceAll(/\b\d+[smh]\b/g, "AGE")
      .replaceAll(/ {2,}/g, "  ");
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Fields that each server fills in for itself; and what was served before, which after a deploy that didn't wait is a matter of moments. */
const own = new Set(
  "uid resourceVersion creationTimestamp selfLink managedFields conditions imagePullPolicy serviceAccountName logUrl scaling elafros.dev/previous-traffic".split(
    " ",
  ),
);

function documents(text: string): unknown {
  const plain = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value === "string") return value.replace("https://", "http://").replace(/^\d{4}-\d\d-\d\dT.*$/, "TIME");
    if (typeof value !== "object" || value === null) return value;
    const fields = Object.entries(value).filter(([name]) => !own.has(name));
    return Object.fromEntries(fields.map(([name, one]) => [name, plain(one)]));
  };
  return parseAllDocuments(text).map((document) => plain(document.toJS()));
}

interface Row {
  argv: string[];
  /** The exit status. Default: 0. */
  code?: number;
}

const row = (line: string, code = 0): Row => ({ argv: line.split(" "), code });
const deploy = (line = "", code = 0): Row => ({
  argv: ["deploy", ...line.split(" ").filter((word) => word !== "")],
  code,
});

const story: Row[] = [
  { argv: ["deploy", "--service", "my-service", ...image, "--env", "FOO=bar", "--env", "HELLO=world"] },
  deploy("--timeout 20s --concurrency 5 --memory 64Mi --cpu 250m --min-scale 1 --label team=shop"),
  row("services list"),
  row("services list -o name"),
  row("services list --type function"),
  row("services describe my-service"),
  row("services describe my-service -o json"),
  row("services describe nothing", 1),
  row("rollout strategy manual"),
  row("rollout strategy manual"),
  deploy("--env HELLO=blurg"),
  row("revisions list --service my-service"),
  row("revisions list --all -o name"),
  row("rollout next percent 5"),
  row("rollout next percent 50 --guard-errors 5"),
  row("rollout status"),
  row("rollout finish"),
  row("rollout finish"),
  row("rollout undo -o name"),
  row("rollout next percent 101", 2),
  row("revisions list"),
  row("revisions describe v1"),
  row("revisions describe v9", 1),
  row("rollout strategy automatic"),
  deploy("--no-traffic --name try --env NEW=1"),
  row("rollout next percent 10 --target try"),
  row("rollout finish --target try"),
  row("rollout strategy automatic"),
  deploy("--env FAIL=1", 1),
  deploy("--env FAIL- --no-wait"),
  deploy("--env LAST=1"),
  row("routes list"),
  row("routes list -o json"),
  row("routes describe my-service"),
  row("configurations list -o name"),
  row("configurations describe my-service"),
  row("configurations describe my-service -o yaml"),
  row("secrets create s --from-literal k=v"),
  row("secrets create s --from-literal k=v", 1),
  row("secrets create pull --docker-server r.example --docker-username me --docker-password p -o name"),
  row("secrets list"),
  deploy(
    "--secret PASSWORD=s:k --pull-secret pull --annotation scheduling.elafros.dev/node-selector=kubernetes.io/os=linux",
  ),
  row("secrets delete secret/s pull"),
  row("builds list"),
  row("builds describe nothing", 1),
  row("revisions delete v1"),
  row("revisions delete nothing", 1),
  row("revisions delete nothing --ignore-not-found"),
  row("services delete my-service -o name"),
  row("services delete my-service", 1),
  row("services delete my-service --ignore-not-found"),
  row("services list"),
];

async function isSame(machine: Cli, cluster: Cli, { argv, code = 0 }: Row): Promise<void> {
  const here = await machine.run(argv);
  const there = await cluster.run(argv);
  const line = argv.join(" ");
  expect([line, there.code, there.code === code ? "" : there.stderr]).toEqual([line, code, ""]);
  if (/^(json|yaml)$/.test(argv.at(-1) ?? "")) {
    expect(documents(there.stdout), line).toEqual(documents(here.stdout));
  } else expect(settled(there), line).toEqual(settled(here));
}

/** Makes every object of a stream of manifests in the namespace "default", as `kubectl create` does. */
async function applyAll(kubeconfig: string, text: string): Promise<void> {
  const config = await loadKubeconfig({ path: kubeconfig, env: {}, fallback: "", cwd: home });
  const client = httpClient(await resolveConnection(config));
  const values = parseAllDocuments(text).map((document) => document.toJS() as { kind: string; items?: object[] });
  for (const value of values.flatMap((one) => (one.kind === "List" ? (one.items ?? []) : [one]))) {
    const object = value as KubeObject;
    const kind = references.find((one) => one.kind === object.kind) as Kind;
    await client.create(kind, { ...object, metadata: { ...object.metadata, namespace: "default" } });
  }
  client.close();
}

describe("elafros on a cluster", () => {
  it("elafros says and does the same as on one machine", { timeout: 120_000 }, async () => {
    const bench = await controlBench();
    await writeKubeconfig("machine", bench, "east");
    await using machine = await runningCli(kubeconfigOf("machine"));
    await using cluster = await runningCli(kubeconfigOf("east"));
    for (const one of story) await isSame(machine, cluster, one);
  });

  it("elafros tries again where another writer was faster", async () => {
    await using cli = await runningCli(kubeconfigOf("east"));
    await cli.run(["deploy", "--service", "contended", ...image]);
    // An installation brings its templates.
    expect((await cli.run(["templates", "list", "-o", "name"])).stdout).toContain(
      "buildtemplate.build.dev/nodejs-24\n",
    );
    const frozen = await cli.run(["deploy", "--annotation", "autoscaling.elafros.dev/idle=freeze"]);
    expect(frozen.stderr).toBe(
      'Warning: autoscaling.elafros.dev/idle "freeze" means "stop" on a Kubernetes, where nothing can be frozen\n',
    );
    expect((await cli.run(["revisions", "describe", "v2"])).stdout).toMatch(/Warning +FreezeUnsupported/);
    const refused = await cli.run(["deploy", "--annotation", "scheduling.elafros.dev/tolerations=spot:Never"]);
    expect(refused.stderr).toContain("scheduling.elafros.dev/tolerations must be taints such as");
    east.faults.conflict({ method: "PATCH", path: /routes\/contended$/, times: 2 });
    const changed = await cli.run(["rollout", "strategy", "manual"]);
    expect(changed).toMatchObject({ code: 0, stderr: "" });
    expect(changed.stdout).toContain("contended-00002");
    await cli.run(["services", "delete", "contended"]);
  });

  it("elafros logs reads the Pods of a service, and follows them", async () => {
    await using cli = await runningCli(kubeconfigOf("east"));
    await cli.run(["deploy", "--service", "talker", ...image, "--min-scale", "1"]);
    const printed = await cli.run(["logs"]);
    expect(printed.stdout).toMatch(/^default\/talker-00001-\S+ listens\nsecond\n$/);
    expect((await cli.run(["logs", "--revision", "v1", "--tail", "1"])).stdout).toBe("second\n");
    const stop = new AbortController();
    const followed = await cli.run(["logs", "-f"], {
      signal: stop.signal,
      output: (text) => {
        if (text.includes("second")) stop.abort();
      },
    });
    expect(followed.code).toBe(130);
    expect(followed.stdout).toMatch(/^\[(talker-00001-\S+)\] default\/\1 listens\n\[\1\] second\n$/);
    await cli.run(["services", "delete", "talker"]);
  });

  it("elafros export moves a service to a cluster, and from there to another machine", async () => {
    const bench = await controlBench();
    await writeKubeconfig("machine", bench);
    await using machine = await runningCli(kubeconfigOf("machine"));
    await using cluster = await runningCli(kubeconfigOf("east"));
    await machine.run(["secrets", "create", "moved", "--from-literal", "k=v"]);
    const options = ["--env", "A=1", "--secret", "B=moved:k", "--label", "team=shop", "--min-scale", "1"];
    await machine.run(["deploy", "--service", "mover", ...image, ...options]);
    const bare = await machine.run(["export"]);
    expect(bare.stderr).toBe("Note: needed there too, and not exported: secrets moved (--secrets exports them)\n");
    expect(bare.stdout).not.toContain("kind: Secret");
    const exported = await machine.run(["export", "--service", "mover", "--secrets"]);
    expect(exported).toMatchObject({ code: 0, stderr: "" });
    expect(exported.stdout).not.toMatch(/uid|resourceVersion|creationTimestamp|managedFields|status|creator|namespace/);
    await applyAll(kubeconfigOf("east"), exported.stdout);
    const ready = async () => (await cluster.run(["services", "list"])).stdout;
    await expect.poll(ready).toMatch(/mover +http:\/\/mover.default.mydomain.com +mover-00001 +True/);
    const back = await cluster.run(["export", "--service", "mover", "--secrets"]);
    expect(back.stdout).toBe(exported.stdout);
    // A manual rollout names Revisions, which are others there.
    await cluster.run(["rollout", "strategy", "manual", "--service", "mover"]);
    const pinned = await cluster.run(["export", "--service", "mover", "--secrets", "-o", "json", "--digest"]);
    expect(pinned.stderr).toBe(
      "Note: the route names revisions, which have other names elsewhere: the manifest gives all traffic to the newest of service [mover]\n",
    );
    await machine.run(["services", "delete", "mover"]);
    await machine.run(["secrets", "delete", "moved"]);
    await applyAll(kubeconfigOf("machine"), pinned.stdout);
    const again = async () => (await machine.run(["revisions", "list", "--service", "mover"])).stdout;
    await expect.poll(again).toMatch(/100% +v1 /);
    await cluster.run(["services", "delete", "mover"]);
  });

  it("elafros status and doctor tell of a cluster", async () => {
    await using cli = await runningCli(kubeconfigOf("east"), thisMachine);
    await cli.run(["deploy", "--service", "shown", ...image, "--min-scale", "1"]);
    await cli.run(["deploy", "--env", "FAIL=1"]);
    const status = async () => {
      const { stdout } = await cli.run(["status", "--region", "east"], { clock: systemClock });
      return stdout.replaceAll(/ {2,}/g, "  ");
    };
    await expect.poll(status).toContain("elafros-gateway  2 of 2  localhost/elafros:");
    const lines = (await status()).split("\n");
    expect(lines.slice(0, 5)).toEqual([
      "Region:  east",
      "Kubernetes:  v1.26.5",
      "Namespace:  elafros-system",
      "Domain:  mydomain.com",
      "Leader:  test",
    ]);
    expect(lines).toContainEqual(expect.stringMatching(/^shown-00001-\S+  default  shown-00001  ready  \d+s  0$/));
    expect(lines).toContain(
      '  Configuration "shown" in namespace "default" isn\'t ready: ExitCode1: Container failed with: boom',
    );
    const json = JSON.parse((await cli.run(["status", "--region", "east", "-o", "json"])).stdout) as object;
    expect(json).toMatchObject({ region: "east", kubernetes: "v1.26.5", namespace: "elafros-system" });
    expect((await cli.run(["doctor", "--kubeconfig", kubeconfigOf("east")])).stdout.split("\n")).toEqual([
      "✓ kubernetes: v1.26.5",
      "✓ rights: you may install",
      "✓ nodes: 1 of 1 are ready",
      "! dns: no Service kube-dns is seen in kube-system: gateways find the controllers by the cluster's DNS",
      "    See that Pods can resolve names of Services",
      "",
    ]);
    const empty = await cli.run(["status", "--kubeconfig", kubeconfigOf("west")]);
    expect(empty).toMatchObject({ code: 1 });
    expect(empty.stdout).toContain(
      "Elafros isn't installed there, or you may not see it: install it with 'elafros install'",
    );
    const bench = await controlBench();
    await writeKubeconfig("machine", bench);
    const machine = await cli.run(["doctor", "--kubeconfig", kubeconfigOf("machine")]);
    expect(machine).toMatchObject({ code: 2, stdout: "" });
    expect(machine.stderr).toContain('Region "machine" is no cluster but a machine');
    await cli.run(["services", "delete", "shown"]);
  });

  it("elafros --region chooses the cluster by its context", async () => {
    await using cli = await runningCli(kubeconfigOf("east"));
    const env = { KUBECONFIG: `${kubeconfigOf("east")}:${kubeconfigOf("west")}` };
    const created = await cli.run(["secrets", "create", "western", "--from-literal", "a=b", "--region", "west"], {
      env,
    });
    expect(created).toMatchObject({ code: 0, stderr: "" });
    expect((await cli.run(["secrets", "list", "--region", "west", "-o", "name"], { env })).stdout).toBe(
      "secret/western\n",
    );
    expect((await cli.run(["secrets", "list", "-o", "name"], { env })).stdout).not.toContain("western");
    const missing = await cli.run(["services", "list", "--region", "west"], { env });
    expect(missing).toMatchObject({ code: 1, stdout: "" });
    expect(missing.stderr).toBe(
      "Error: Elafros is not installed on that server: install it with 'elafros install', or choose another with --region or --kubeconfig\n",
    );
    const unknown = await cli.run(["services", "list", "--region", "north"], { env });
    expect(unknown.stderr).toContain('it has "east", "west"');
  });
});
