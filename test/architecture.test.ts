/**
 * The layers, held by a test: which part may know which, and why not. A breach prints the importing file and the reason.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

const root = resolve(import.meta.dirname, "..");
const source = join(root, "src");

/** Left may import what stands right, besides itself and `lib`. */
const layers: Record<string, { may: string[]; why: string }> = {
  lib: { may: [], why: "lib is what everything stands on: it knows nothing of ours" },
  api: { may: [], why: "kinds are plain declarations that clients, servers and clusters share" },
  store: { may: ["api/meta"], why: "the store keeps versioned objects and knows no kind" },
  apiserver: { may: ["api", "store"], why: "the API server must not know who reconciles its objects" },
  client: { may: ["api"], why: "the client port must fit a remote API server as well" },
  controller: { may: ["api", "client"], why: "the reconcile shell is the same for every kind" },
  reconcilers: { may: ["api", "controller"], why: "plans are pure and run embedded and on a cluster alike" },
  autoscaler: { may: ["api"], why: "decisions are pure functions of stats and spec" },
  routing: { may: ["api"], why: "the route table is compiled from plain values" },
  gateway: { may: ["routing"], why: "a gateway serves without the API: it knows the route table only" },
  runtime: { may: [], why: "drivers take plain values, so that they fit any control" },
  kubernetes: {
    may: [
      "api",
      "client",
      "controller/queue.ts",
      "runtime/workloads.ts",
      "runtime/images.ts",
      "runtime/builds.ts",
      "runtime/build-home.ts",
      "runtime/build-words.ts",
      "runtime/fetch/protocol.ts",
      "runtime/registry",
      "runtime/sources.ts",
    ],
    why: "on a cluster the ports are Kubernetes' own objects: nothing of one machine is there",
  },
  platform: {
    may: [
      "api",
      "store",
      "apiserver",
      "client",
      "controller",
      "reconcilers",
      "autoscaler",
      "routing",
      "gateway",
      "runtime",
      "kubernetes",
    ],
    why: "the composition roots know everything but the CLI",
  },
  cli: {
    may: ["api", "client", "platform"],
    why: "the CLI is an API client; only commands on this machine use the platform",
  },
};

/** Ports are plain types: whoever uses one may import its types, never its code. */
const ports = [
  "runtime/workloads.ts",
  "runtime/images.ts",
  "runtime/builds.ts",
  "runtime/sources.ts",
  "routing/traffic.ts",
  "routing/certificates.ts",
  "client/client.ts",
  "autoscaler/port.ts",
];
const portUsers = ["reconcilers", "autoscaler", "controller", "apiserver"];

interface Import {
  file: string;
  target: string;
  typeOnly: boolean;
}

function sourceFiles(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The relative imports of a file, static and dynamic. */
function importsOf(path: string): Import[] {
  const text = readFileSync(path, "utf8");
  const pattern =
    /^\s*(?:import|export)\s(type\s)?[^"';]*?from\s+"(\.[^"]+)"|import\(\s*"(\.[^"]+)"\s*\)|^import\s+"(\.[^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => ({
    file: relative(source, path),
    target: relative(source, resolve(path, "..", match[2] ?? match[3] ?? match[4] ?? "")),
    typeOnly: match[1] !== undefined,
  }));
}

/** Tests may use `test/support`, whose parts stand outside the layers. */
const imports = sourceFiles(source)
  .filter((path) => !path.endsWith(".test.ts"))
  .flatMap(importsOf);
const layerOf = (path: string) => path.split("/")[0] ?? "";

describe("layers", () => {
  test("every folder of src is a layer, and every layer a folder", () => {
    const folders = readdirSync(source, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    expect(folders.map((entry) => entry.name).sort()).toEqual(Object.keys(layers).sort());
  });

  test.each(Object.keys(layers))("%s imports only what it may", (name) => {
    const layer = layers[name];
    const breaches = imports
      .filter(({ file }) => layerOf(file) === name)
      .filter(({ target, typeOnly }) => {
        const own = layerOf(target) === name || layerOf(target) === "lib";
        const allowed = layer?.may.some((each) => target === each || target.startsWith(`${each}/`)) ?? false;
        const port = typeOnly && ports.includes(target) && portUsers.includes(name);
        return !own && !allowed && !port;
      })
      .map(({ file, target }) => `${file} imports ${target}: ${layer?.why}`);
    expect(breaches).toEqual([]);
  });

  test("the test sees the imports it judges", () => {
    expect(imports.length).toBeGreaterThan(20);
    expect(imports.some(({ file, target }) => file === "routing/link.ts" && target === "routing/table.ts")).toBe(true);
  });

  test("@kubernetes/client-node is imported by cluster mode only: it costs 62 MiB", () => {
    const users = sourceFiles(source).filter((path) =>
      readFileSync(path, "utf8").includes('"@kubernetes/client-node"'),
    );
    expect(users.filter((path) => !relative(source, path).startsWith("kubernetes/"))).toEqual([]);
  });
});
