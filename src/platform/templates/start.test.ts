import { expect, onTestFinished, test } from "vitest";
import { apiBench } from "../../../test/support/api-server.ts";
import { BuildTemplate } from "../../api/build-template.ts";
import { ConfigMap } from "../../api/config-map.ts";
import { inProcessClient } from "../../client/in-process.ts";
import { systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import { startTemplates } from "./start.ts";

const namespace = "build-templates";

test("startTemplates() makes the templates, follows the base images and mends what somebody changed", async () => {
  const { service } = await apiBench();
  const client = inProcessClient(service, { username: "system:elafros:controller", groups: ["system:masters"] });
  const templates = startTemplates({ client, clock: systemClock, log: silentLog });
  onTestFinished(() => templates.stop());
  await templates.ready;
  const get = (name: string) => client.get(BuildTemplate, { namespace, name });
  const runBase = async (name: string) =>
    (await get(name)).spec.parameters?.find((each) => each.name === "_RUN_BASE")?.default;
  const before = await get("nodejs-24");

  const { metadata, spec } = before;
  await client.create(BuildTemplate, { ...before, metadata: { name: "own", namespace, labels: { mine: "true" } } });
  await client.patch(
    ConfigMap,
    { namespace, name: "base-images" },
    { type: "merge", body: { data: { "node-run": "mine:1" } } },
  );
  await expect.poll(() => runBase("nodejs-24")).toBe("mine:1");
  await expect.poll(() => runBase("nodejs-8-9-4")).toBe("mine:1");
  expect(await runBase("own")).not.toBe("mine:1");

  await client.delete(BuildTemplate, { namespace, name: "go-1" });
  await expect.poll(() => runBase("go-1").catch(() => undefined)).toContain("distroless");
  await client.patch(
    BuildTemplate,
    { namespace, name: "nodejs-24" },
    { type: "merge", body: { spec: { steps: [{ name: "x", image: "y" }] } } },
  );
  await expect.poll(async () => (await get("nodejs-24")).spec.steps).toEqual(spec.steps);
  expect((await get("nodejs-24")).metadata.uid).toBe(metadata.uid);
});

test("startTemplates() leaves base images that are there as they are", async () => {
  const { service } = await apiBench();
  const client = inProcessClient(service, { username: "system:elafros:controller", groups: ["system:masters"] });
  const first = startTemplates({ client, clock: systemClock, log: silentLog });
  await first.ready;
  await first.stop();
  await client.patch(
    ConfigMap,
    { namespace, name: "base-images" },
    { type: "merge", body: { data: { "go-run": "mine:1" } } },
  );
  const second = startTemplates({ client, clock: systemClock, log: silentLog });
  onTestFinished(() => second.stop());
  await second.ready;
  expect((await client.get(ConfigMap, { namespace, name: "base-images" })).data).toMatchObject({ "go-run": "mine:1" });
  const { spec } = await client.get(BuildTemplate, { namespace, name: "go-1-fn" });
  expect(spec.parameters?.find(({ name }) => name === "_RUN_BASE")?.default).toBe("mine:1");
});
