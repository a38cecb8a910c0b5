/** The command-line sessions of scenarios 2, 1 and 3 on one machine. */
import { join } from "node:path";
import { afterAll, expect } from "vitest";
import { makeImages } from "../../support/images.ts";
import { startPlatform, type TestPlatform } from "../../support/platform.ts";
import { startRegistry, type TestRegistry } from "../../support/registry.ts";
import { declareSessions } from "./sessions.ts";

const domain = "mydomain.com";
let registry: TestRegistry;
let platform: TestPlatform;

afterAll(async () => {
  await platform?.purge();
  await registry?.close();
});

declareSessions(async () => {
  registry = await startRegistry();
  const images = await makeImages(registry);
  platform = await startPlatform(["--domain", domain, "--region", "us-central1"]);
  // The examples' user1, as the administrator lets her in.
  const dir = platform.dataDir;
  const kubeconfig = join(dir, "user1.kubeconfig");
  const flags = ["--data-dir", dir, "--server", platform.api, "--user", "user1", "--file", kubeconfig];
  const made = await platform.elafros(["kubeconfig", ...flags]);
  expect(made.code, made.stderr).toBe(0);
  const binding = {
    metadata: { name: "user1" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "user1" }],
  };
  const path = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
  expect((await platform.call("POST", path, JSON.stringify(binding))).status).toBe(201);
  const { httpPort } = platform;
  return {
    dir,
    kubeconfig,
    domain,
    images,
    ask: (host, path) => platform.ask(host, path),
    urlPort: `:${httpPort}`,
    showsPulls: true,
  };
});
