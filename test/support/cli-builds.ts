/**
 * Builds for tests of the CLI against the stub: the place where sources are kept, and what the controllers would make of a
 * Configuration with a build.
 */
import type { ApiStub, StubObject } from "./api-stub.ts";
import { buildPath, corePath, elafrosPath } from "./cli.ts";

/** Keeps uploads, by digest. */
export function keepSources(api: ApiStub): Map<string, Buffer> {
  const kept = new Map<string, Buffer>();
  api.intercept(({ method, url, body }) => {
    const [, digest] = /\/namespaces\/default\/sources\/(.+)$/.exec(url) ?? [];
    if (digest === undefined) return undefined;
    const name = decodeURIComponent(digest);
    if (method === "HEAD") return { status: kept.has(name) ? 200 : 404, body: "" };
    kept.set(name, body as Buffer);
    return { status: 201, body: {} };
  });
  return kept;
}

/** A step that has ended so, or runs. */
export function step(name: string, exitCode?: number): object {
  return { name, state: exitCode === undefined ? { running: {} } : { terminated: { exitCode } } };
}

/** A Build's status. */
export function buildStatus(
  succeeded: { status: string; reason?: string; message?: string },
  stepStates: object[] = [],
): object {
  return {
    conditions: [{ type: "Succeeded", ...succeeded }],
    ...(stepStates.length === 0 ? {} : { startTime: "2018-01-19T12:16:00Z", stepStates }),
  };
}

/** Between two states of a Build. */
const nextStateMs = 30;

/**
 * Gives each Revision of a Configuration with a build its Build, which goes through these states. Comes after `playControllers`.
 * @param options.reuse the name of an earlier Build whose image is run instead
 */
export function playBuilds(api: ApiStub, options: { states?: readonly object[]; reuse?: string } = {}): void {
  const states = options.states ?? [buildStatus({ status: "True" }, [step("source", 0), step("build", 0)])];
  const unseen = new Map<string, () => void>();
  const go = (name: string, left: readonly object[]) => {
    const [status, ...rest] = left;
    if (status === undefined) return;
    api.put(`${buildPath}/builds`, {
      apiVersion: "build.dev/v1alpha1",
      kind: "Build",
      metadata: { name, namespace: "default" },
      spec: {},
      status,
    });
    if (rest.length === 0) return;
    // Whoever has seen the first state watches for the others, and misses none.
    if (left === states) unseen.set(name, () => go(name, rest));
    else setTimeout(() => go(name, rest), nextStateMs);
  };
  api.intercept(({ url }) => {
    const [, name = ""] = /\/builds\?.*metadata\.name%3D([^&]+)/.exec(url) ?? [];
    const next = unseen.get(name);
    unseen.delete(name);
    if (next !== undefined) setTimeout(next, nextStateMs);
    return undefined;
  });
  api.onWrite((_path, object) => {
    const build = (object["spec"] as { build?: object } | undefined)?.build;
    if (object.kind !== "Configuration" || build === undefined) return;
    const name = `${object.metadata.name}-${String(object.metadata.generation ?? 1).padStart(5, "0")}`;
    const revision = api.read(`${elafrosPath}/revisions/${name}`);
    if (revision === undefined) return;
    const buildName = options.reuse ?? name;
    api.put(`${elafrosPath}/revisions`, { ...revision, spec: { ...(revision["spec"] as object), buildName } });
    if (options.reuse === undefined) go(name, states);
  });
}

/** The Pod that shows a Build, and what its steps have written. */
export function putBuildPod(
  api: ApiStub,
  build: string,
  output: Readonly<Record<string, readonly string[]>>,
): StubObject {
  api.intercept(({ url }) => {
    if (!url.includes(`/pods/${build}-pod/log?`)) return undefined;
    const query = new URL(url, "http://stub").searchParams;
    const lines = (output[query.get("container") ?? ""] ?? []).slice(-Number(query.get("tailLines") ?? 1000));
    return { status: 200, type: "text/plain", body: lines.map((line) => `${line}\n`).join("") };
  });
  return api.put(`${corePath}/pods`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `${build}-pod`, labels: { "build.dev/buildName": build } },
  });
}
