/** The scenarios and their command-line sessions on a Kubernetes, with the differences that custom resources have there. */
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { uploadsAudience, uploadsTokenField } from "../../../src/api/build-names.ts";
import { Namespace } from "../../../src/api/namespace.ts";
import { Secret } from "../../../src/api/secret.ts";
import { ServiceAccount } from "../../../src/api/service-account.ts";
import { ports } from "../../../src/kubernetes/manifests/names.ts";
import { eventually, request } from "../../support/platform.ts";
import { useBases } from "../../support/stand-ins.ts";
import { type BuildStage, makeSources, playFifth, playFourth, sourcesSecret } from "./builds-player.ts";
import { first, second } from "./examples.ts";
import { type KubernetesStage, openKubernetes } from "./kubernetes-stage.ts";
import { playFirst, playOrders, playSecond, playShift, playThird, type Stage } from "./player.ts";
import { type Desk, declareSessions } from "./sessions.ts";
import { fill } from "./transcript.ts";

const namespace = "normative";
const isNamed = process.env["ELAFROS_TEST_KUBECONFIG"] !== undefined;
let kubernetes: KubernetesStage;
let stage: Stage;
let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-normative-"));
  kubernetes = await openKubernetes(namespace);
  ({ stage } = kubernetes);
});
afterAll(async () => {
  await kubernetes?.stop();
  await rm(dir, { recursive: true });
});

describe("the scenarios on a Kubernetes", () => {
  // Each but the orders stands on what the one before left.
  test("2) Creating Route and deploying first Revision", () => playSecond(stage));
  test("1) Automatic rollout of a new Revision", () => playFirst(stage));
  test("1) with a duration, the traffic shifts through 75/25", () => playShift(stage));
  test("3) Manual rollout of a new Revision", () => playThird(stage));
  test("Configuration first, and both at once, come to the same", () => playOrders(stage));
});

describe("what a Kubernetes does otherwise with the same requests", () => {
  const at = `/apis/elafros.dev/v1alpha1/namespaces/${namespace}`;
  const bindings = { "gcr.io/...": "registry.example/app:1" };
  const send = (method: "POST" | "PATCH", path: string, of: { type?: string; body: string }) => {
    const headers: Record<string, string> = of.type === undefined ? {} : { "content-type": of.type };
    return kubernetes.client.request({ method, path: `${at}/${path}`, headers, body: of.body });
  };

  test.each([undefined, "application/strategic-merge-patch+json"])("a PATCH of type %s is refused", async (type) => {
    const body = fill(first.patchConfiguration, bindings);
    const answer = await send("PATCH", "configurations/my-service", { body, ...(type === undefined ? {} : { type }) });
    expect(answer.status, answer.text).toBe(415);
  });

  test("a body of another type than it says is refused", async () => {
    const answer = await send("POST", "routes", { type: "application/json", body: fill(second.postRoute, bindings) });
    expect(answer.status, answer.text).toBe(400);
  });

  test("names of fields are exact, and what isn't known is dropped", async () => {
    const route = { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name: "exact" } };
    const traffic = [{ configurationName: "nobody", percent: 100 }];
    const known = { rollout: { traffic }, Rollout: { traffic }, other: 1 };
    const body = JSON.stringify({ ...route, spec: known });
    const answer = await send("POST", "routes?fieldValidation=Ignore", { type: "application/json", body });
    expect(answer.status, answer.text).toBe(201);
    expect(Object.keys((JSON.parse(answer.text) as { spec: object }).spec)).toEqual(["rollout"]);
    await stage.call("DELETE", `${at}/routes/exact`);
  });

  test("a cluster administrator can create Revisions", async () => {
    const revision = { apiVersion: "elafros.dev/v1alpha1", kind: "Revision", metadata: { name: "by-hand" } };
    const body = JSON.stringify({ ...revision, spec: { container: { image: "registry.example/app:1" } } });
    const answer = await send("POST", "revisions?dryRun=All", { type: "application/json", body });
    expect(answer.status, answer.text).toBe(201);
  });
});

// Whoever deploys must be user1 there, whom only a cluster of the test's own lets in.
describe.skipIf(isNamed)("the sessions on a Kubernetes", () => {
  declareSessions(async (): Promise<Desk> => {
    const { platform } = kubernetes;
    if (platform === undefined) throw new Error("The cluster isn't simulated");
    const kubeconfig = join(dir, "user1.kubeconfig");
    await platform.cluster.kubeconfig(kubeconfig, { user: "user1", groups: [], region: "us-central1" });
    const rbac = "rbac.authorization.k8s.io";
    const binding = {
      apiVersion: `${rbac}/v1`,
      kind: "RoleBinding",
      metadata: { name: "user1" },
      roleRef: { apiGroup: rbac, kind: "ClusterRole", name: "edit" },
      subjects: [{ apiGroup: rbac, kind: "User", name: "user1" }],
    };
    const path = `/apis/${rbac}/v1/namespaces/default/rolebindings`;
    const made = await platform.call("POST", path, JSON.stringify(binding), { "content-type": "application/json" });
    expect(made.status, made.text).toBe(201);
    // Each gateway splits exactly by itself.
    const [gateway] = await platform.pods("gateway");
    const ask: Desk["ask"] = (host, path) =>
      request(`http://${gateway?.address ?? ""}:${ports.http}${path}`, { headers: { host } });
    return { ...stage, ask, dir, kubeconfig, urlPort: "", showsPulls: false };
  });
});

// Builds reach a git server and a registry of this machine, which only nodes of this machine do.
describe.skipIf(isNamed)("builds on a Kubernetes", { timeout: 300_000 }, () => {
  let build: BuildStage;
  beforeAll(async () => {
    const { builds, client, platform } = kubernetes;
    if (builds === undefined || platform === undefined) throw new Error("The cluster isn't simulated");
    const { registry, git, bases } = builds;
    const sources = await makeSources(dir, { host: "localhost", port: git });
    // The scenarios before have services of the same names.
    const namespace = "source";
    build = { ...stage, namespace, registry, sources };
    await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } });
    const { secret, account } = sourcesSecret(sources);
    await client.create<Secret>(Secret, { ...secret, metadata: { ...secret.metadata, namespace } });
    await eventually("the namespace has its account", () =>
      client.patch(ServiceAccount, { namespace, name: "default" }, { type: "merge", body: account }),
    );
    // As an administrator whose nodes don't reach what the templates name.
    await useBases(platform, bases);
  });

  test("4) Deploy a Revision from source", () => playFourth(build));
  test("5) Deploy a Function", () => playFifth(build));

  test("an upload is taken by each of the controllers, whoever leads", async () => {
    const { client, platform } = kubernetes;
    const path = "/api/v1/namespaces/default/serviceaccounts/default/token";
    const spec = { audiences: [uploadsAudience], expirationSeconds: 3600 };
    const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenRequest", spec };
    const { text } = await client.request({ method: "POST", path, body });
    const { token } = (JSON.parse(text) as { status: { token: string } }).status;
    const controllers = (await platform?.pods("controller")) ?? [];
    expect(controllers).toHaveLength(2);
    for (const { address, name } of controllers) {
      const digest = createHash("sha256").update(name).digest("hex");
      const url = `https://${address}:${ports.sources}/sources/default/sha256:${digest}`;
      const headers = { [uploadsTokenField]: token };
      const answer = await request(url, { method: "PUT", body: name, headers, rejectUnauthorized: false });
      expect(answer, name).toMatchObject({ status: 201 });
    }
  });

  test("4) deploy in a folder of source", async () => {
    const { platform, builds } = kubernetes;
    const directory = join(dir, "folder");
    await mkdir(directory);
    await writeFile(join(directory, "index.html"), "Hello World\n");
    await writeFile(join(directory, "Dockerfile"), `FROM ${builds?.registry.host}/busybox:1\nCOPY index.html /www/\n`);
    const result = await platform?.elafros(["deploy", "--service", "my-folder"], { cwd: directory });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result?.stdout).toBe(
      `✓ Creating service [my-folder] in region [test]
Deploying app to service [my-folder]:
✓ Uploading [=================]
✓ Detected [dockerfile] runtime
✓ Building
✓ Starting
✓ Promoting
Done.
Deployed to http://my-folder.default.${stage.domain}
`,
    );
    const answer = await stage.ask(`my-folder.default.${stage.domain}`, "/");
    expect(answer).toMatchObject({ status: 200, text: "Hello World\n" });
  });
});
