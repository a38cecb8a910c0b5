import { afterAll, beforeAll, expect, test } from "vitest";
import type { InstanceState } from "../../src/runtime/workloads.ts";
import {
  type DriverBed,
  driverBed,
  eventually,
  instanceSpec,
  logOf,
  shellSpec,
  untilReady,
} from "../support/driver.ts";

let bed: DriverBed;
let last = 0;
const newKey = () => ({ namespace: "default", name: `hello-${String(++last).padStart(5, "0")}` });
beforeAll(async () => {
  bed = await driverBed();
});
afterAll(() => bed.close());

async function get(instance: InstanceState | undefined, path = "/"): Promise<string> {
  const { host, port } = instance?.address ?? { host: "nowhere", port: 0 };
  return (await fetch(`http://${host}:${port}${path}`)).text();
}

const greeting = (value: string) => [
  { name: "PORT", value: "8080" },
  { name: "GREETING", value },
];

test("scale() starts an instance that answers, and to zero drains and removes it", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ env: greeting("hi") }), 1);
  const [instance] = await untilReady(bed.driver, key);
  const id = instance?.id ?? "";
  expect(await get(instance)).toBe("hi\n");
  expect(instance).toMatchObject({ restarts: 0, id: expect.stringMatching(/^hello-00001-[a-z0-9]{8}$/) });
  expect(await logOf(bed.driver, id)).toContain("serving on 8080");

  bed.driver.scale(key, instanceSpec(), 0);
  await eventually(bed.driver, key, (state) => state.instances.length === 0);
  expect(bed.drained).toContain(id);
  expect(bed.driver.get(key)).toMatchObject({ desired: 0 });
  bed.driver.remove(key);
  expect(bed.driver.get(key)).toBeUndefined();
  expect(() =>
    bed.driver.logs(id, { follow: false, timestamps: false, previous: false, signal: AbortSignal.timeout(1) }),
  ).toThrow(id);
});

test("scale() up and down keeps the oldest, and is idempotent", async () => {
  const key = newKey();
  const spec = instanceSpec();
  bed.driver.scale(key, spec, 1);
  const [oldest] = await untilReady(bed.driver, key);
  for (let again = 0; again < 3; again++) bed.driver.scale(key, instanceSpec(), 3);
  await untilReady(bed.driver, key, 3);
  bed.driver.scale(key, spec, 1);
  const state = await eventually(bed.driver, key, ({ instances }) => instances.length === 1);
  expect(state.instances[0]?.id).toBe(oldest?.id);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
});

test("scale() with a changed spec has the new one ready before the old one goes", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ env: greeting("old") }), 1);
  const [old] = await untilReady(bed.driver, key);
  const phases: string[][] = [];
  const stop = bed.driver.subscribe((changed) => {
    if (changed.name === key.name) phases.push(bed.driver.get(key)?.instances.map((one) => one.phase) ?? []);
  });
  bed.driver.scale(key, instanceSpec({ env: greeting("new") }), 1);
  const state = await eventually(
    bed.driver,
    key,
    ({ instances }) => instances.length === 1 && instances[0]?.id !== old?.id,
  );
  stop();
  expect(await get(state.instances[0])).toBe("new\n");
  for (const seen of phases) expect(seen).toContain("ready");
  bed.driver.remove(key);
});

test("scale() with other labels or pull secrets leaves the instance alone", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec(), 1);
  const [before] = await untilReady(bed.driver, key);
  const auth = { registry: "r", username: "u", password: "p" };
  bed.driver.scale(key, instanceSpec({ labels: { a: "b" }, pullSecrets: [auth] }), 1);
  expect((await untilReady(bed.driver, key))[0]?.id).toBe(before?.id);
  bed.driver.remove(key);
});

test("replace() puts another instance in the place of one", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec(), 1);
  const [hung] = await untilReady(bed.driver, key);
  bed.driver.replace(hung?.id ?? "", "answers nothing");
  const state = await eventually(
    bed.driver,
    key,
    ({ instances }) => instances.length === 1 && instances[0]?.phase === "ready" && instances[0].id !== hung?.id,
  );
  expect(state.desired).toBe(1);
  bed.driver.remove(key);
});

test("remove() while it is still being made leaves nothing", async () => {
  const key = newKey();
  bed.driver.scale(key, instanceSpec({ terminationGraceMs: 200 }), 4);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 4);
  bed.driver.remove(key);
  await eventually(bed.driver, key, ({ instances }) => instances.length === 0);
  expect(bed.driver.get(key)).toBeUndefined();
});

test("stopping sends the image's signal, then SIGKILL after the grace", async () => {
  const deaf = newKey();
  const polite = newKey();
  bed.image("polite", { stopSignal: "SIGUSR1" });
  bed.driver.scale(
    deaf,
    shellSpec("trap '' TERM; httpd -p 8080 -h /; while :; do sleep 1; done", { terminationGraceMs: 300 }),
    1,
  );
  bed.driver.scale(
    polite,
    shellSpec("trap 'echo got USR1; exit 0' USR1; httpd -p 8080 -h /; while :; do sleep 0.05; done", {
      image: "polite",
    }),
    1,
  );
  await Promise.all([untilReady(bed.driver, deaf), untilReady(bed.driver, polite)]);
  const id = bed.driver.get(polite)?.instances[0]?.id ?? "";
  const { signal } = new AbortController();
  const followed = (async () => {
    let text = "";
    for await (const line of bed.driver.logs(id, { follow: true, timestamps: false, previous: false, signal }))
      text += line;
    return text;
  })();
  bed.driver.remove(deaf);
  bed.driver.remove(polite);
  expect(await followed).toContain("got USR1");
  await eventually(bed.driver, deaf, ({ instances }) => instances.length === 0);
});

test("liveness failures restart the process in the same instance", async () => {
  const key = newKey();
  const spec = shellSpec("httpd -p 8080 -h /; echo run; sleep 0.5; rm -f /alive; sleep 1000", {
    liveness: {
      action: { type: "exec", command: ["/bin/sh", "-c", "echo it is gone; test -e /alive"] },
      initialDelayMs: 0,
      periodMs: 200,
      timeoutMs: 5_000,
      successThreshold: 1,
      failureThreshold: 1,
    },
    terminationGraceMs: 100,
  });
  bed.driver.scale(key, spec, 1);
  const state = await eventually(bed.driver, key, ({ instances }) => (instances[0]?.restarts ?? 0) >= 1);
  expect(state.instances).toHaveLength(1);
  expect(state.instances[0]?.lastExit?.code).toBe(137);
  expect(state.problem).toMatchObject({
    reason: "LivenessProbeFailed",
    message: "Liveness probe failed: Command ended with exit code 1: it is gone",
  });
  bed.driver.remove(key);
});

test("stopAll() shortens the grace also of what is being stopped already", async () => {
  const own = await driverBed();
  const key = newKey();
  const script = "trap 'echo told' TERM; /bin/sh /bin/serve & while :; do sleep 0.2; done";
  own.driver.scale(key, shellSpec(script, { env: greeting("hi"), terminationGraceMs: 3_600_000 }), 1);
  const [instance] = await untilReady(own.driver, key);
  own.driver.remove(key);
  // Its grace has begun.
  await expect.poll(() => logOf(own.driver, instance?.id ?? ""), { timeout: 20_000 }).toContain("told");
  await own.close(); // with a grace of 2 s
});
