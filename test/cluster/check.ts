/**
 * `npm run check:cluster -- --kubeconfig FILE`: whether Elafros fits a real cluster. It installs, checks and uninstalls, so the cluster must have no Elafros; docs/cluster.md
 * says what it does. Nothing here is part of `npm test`.
 */
import { Configuration } from "../../src/api/configuration.ts";
import type { KubeObject } from "../../src/api/meta/types.ts";
import { Route } from "../../src/api/route.ts";
import { type HttpClient, httpClient } from "../../src/client/http.ts";
import { loadKubeconfig, resolveConnection } from "../../src/client/kubeconfig.ts";
import { applyOne, install } from "../../src/kubernetes/install/install.ts";
import { type Stored, kindOf } from "../../src/kubernetes/install/kinds.ts";
import { uninstall } from "../../src/kubernetes/install/uninstall.ts";
import { type State, find, rolloutState, until } from "../../src/kubernetes/install/wait.ts";
import { manifests } from "../../src/kubernetes/manifests/manifests.ts";
import { defaultInstall } from "../../src/kubernetes/manifests/names.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { appImages, pushApps } from "./apps.ts";
import { readFlags } from "./flags.ts";
import { directAccess, forwardedAccess } from "./gateway-access.ts";
import { judgeBad, judgeGood } from "./objects.ts";
import { Report } from "./report.ts";
import { judgeRights } from "./rights.ts";
import { drainNode, playScenarios, upgrade } from "./running.ts";

const flags = readFlags();
const quiet = { start: () => {}, done: () => {} };
const options = { ...defaultInstall, ...(flags.image === undefined ? {} : { image: flags.image }) };
const all = manifests(options);
/** What HTTPS changes, with all that can be told of it. */
const acme = { server: "https://ca.example.com/dir", email: "a@example.com", ca: "CA", eabKid: "k", eabKey: "secret" };
const secure = manifests({ ...options, https: true, httpsRedirect: true, acme }).filter(({ kind }) =>
  ["Deployment", "Secret"].includes(kind),
);
const definitions = all.filter(({ kind }) => kind === "CustomResourceDefinition");
const namespaces = all.filter(({ kind }) => kind === "Namespace");

const warnings: string[] = [];
const config = await loadKubeconfig({
  path: flags.kubeconfig,
  env: process.env,
  fallback: `${process.env["HOME"] ?? ""}/.kube/config`,
  cwd: process.cwd(),
});
const client = httpClient(await resolveConnection(config, flags.context), { onWarning: (text) => warnings.push(text) });
const waiting = { client, clock: systemClock };
// The clock's timers keep no process alive.
const hold = setInterval(() => {}, 60_000);
process.exitCode = (await check(client)) ? 0 : 1;
clearInterval(hold);
client.close();

/** Runs all steps; whether all went well. */
async function check(client: HttpClient): Promise<boolean> {
  const write = (line: string) => process.stdout.write(`${line}\n`);
  for (const manifest of [...definitions, ...namespaces]) {
    if ((await find(client, manifest)) === undefined) continue;
    write(
      `This cluster has ${manifest.kind} ${manifest.metadata.name}: check:cluster needs one without Elafros, as it uninstalls it at its end`,
    );
    return false;
  }
  const report = new Report(write);
  const scratch = await makeNamespace(client);
  try {
    await report.step("definitions are accepted (dry run)", async () => {
      for (const definition of definitions) await applyOne(client, definition, true);
    });
    await report.step("everything else is accepted (dry run)", async () => {
      for (const namespace of namespaces) await applyOne(client, namespace);
      for (const manifest of [...all.slice(definitions.length), ...secure]) await applyOne(client, manifest, true);
      return warnings.splice(0);
    });
    const installed = await report.step(
      flags.image === undefined ? "installs, without waiting for Pods" : "installs, and runs",
      () => install(waiting, options, { steps: quiet, rollout: flags.image !== undefined }),
    );
    // Without the kinds, every other step would only tell that they aren't there.
    if (installed) {
      await checkInstalled(client, report, scratch);
      await checkRunning(client, report);
    }
    await report.step("uninstalls, the service with it", async () => {
      await uninstall(waiting, options, { steps: quiet, deleteServices: true });
      const left = await Promise.all(all.map((manifest) => find(client, manifest)));
      return left.flatMap((one) => (one === undefined ? [] : [`${one.kind} ${one.metadata.name} is still there`]));
    });
  } finally {
    await client.delete(kindOf({ kind: "Namespace" }), { name: scratch });
  }
  return report.end();
}

/** The steps that need what runs, as far as the flags ask for them. */
async function checkRunning(client: HttpClient, report: Report): Promise<void> {
  const { apps, gateway, drain, upgradeImage } = flags;
  if (apps === undefined) return;
  if (apps.push) {
    const pushed = await report.step(`the app's images are made and pushed to ${apps.prefix}`, () =>
      pushApps(apps.prefix),
    );
    if (!pushed) return;
  }
  const kubectl = [
    ...(flags.kubeconfig === undefined ? [] : ["--kubeconfig", flags.kubeconfig]),
    ...(flags.context === undefined ? [] : ["--context", flags.context]),
  ];
  const access = gateway === undefined ? forwardedAccess(kubectl, options.namespace) : directAccess(gateway);
  const namespace = await makeNamespace(client, "-run");
  const running = { client, access, options, namespace, images: appImages(apps.prefix), report };
  try {
    await playScenarios(running);
    if (drain !== undefined) await drainNode(running, drain.node);
    await upgrade(running, upgradeImage);
  } finally {
    access.close();
    for (const kind of [Route, Configuration]) {
      for (const { metadata } of (await client.list<KubeObject>(kind, { namespace })).items) {
        await client.delete<KubeObject>(kind, metadata);
      }
    }
    await client.delete(kindOf({ kind: "Namespace" }), { name: namespace });
  }
}

/** The steps that look at an installation. They leave one service behind. */
async function checkInstalled(client: HttpClient, report: Report, scratch: string): Promise<void> {
  await report.step("Pods are admitted at the level restricted", async () => {
    for (const deployment of all.filter(({ kind }) => kind === "Deployment")) {
      await until(waiting, deployment, admitted, 60_000);
    }
  });
  await report.step("installing again changes nothing", async () => {
    const before = await versions();
    await install(waiting, options, { steps: quiet, rollout: false });
    const after = await versions();
    return [...after].filter(([name, generation]) => before.get(name) !== generation).map(([name]) => name);
  });
  await report.step("bad objects are refused where the embedded server refuses them", () => judgeBad(client, scratch));
  await report.step("good objects are accepted", () => judgeGood(client, scratch));
  await report.step("view, edit and admin have their rights, and nobody creates Revisions", () =>
    judgeRights(client, scratch),
  );
  await report.step("uninstalling refuses while there is a service", () => refusesServices(client, scratch));
}

/** Whether a Deployment's Pods are made; whether they run is another matter. */
function admitted(stored: Stored | undefined): State {
  const state = rolloutState(stored);
  const made = (stored?.status?.updatedReplicas ?? 0) >= (stored?.spec?.replicas ?? 1);
  return made && typeof state === "object" && "waiting" in state ? "there" : state;
}

/** Generations of everything that has one: they grow only with what was asked for. */
async function versions(): Promise<Map<string, number | undefined>> {
  const stored = await Promise.all(all.map((manifest) => find(client, manifest)));
  return new Map(
    stored.map((one) => [
      `${one?.kind} ${one?.metadata.namespace ?? ""}/${one?.metadata.name}`,
      one?.metadata.generation,
    ]),
  );
}

async function makeNamespace(client: HttpClient, suffix = ""): Promise<string> {
  const object = { apiVersion: "v1", kind: "Namespace", metadata: { name: `elafros-check-${process.pid}${suffix}` } };
  const made = await client.create(kindOf(object), object);
  return made.metadata.name;
}

async function refusesServices(client: HttpClient, namespace: string): Promise<string[]> {
  await client.create(Configuration, {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "app", namespace },
    spec: { revisionTemplate: { spec: { container: { image: "registry.example/app:1" } } } },
  } as KubeObject);
  try {
    await uninstall(waiting, options, { steps: quiet, deleteServices: false });
    return ["it was uninstalled"];
  } catch (error) {
    const { message } = error as Error;
    return message.includes(`${namespace}/app`) ? [] : [message];
  }
}
