import { afterEach, beforeEach, expect, test } from "vitest";
import { type DriverBed, driverBed, eventually, instanceSpec, logOf, untilReady } from "../support/driver.ts";

const key = { namespace: "default", name: "hello-00001" };
let bed: DriverBed;
beforeEach(async () => {
  bed = await driverBed();
});
afterEach(() => bed.close());

async function get(instance: { address?: { host: string; port: number } } | undefined, path = "/"): Promise<string> {
  const { host, port } = instance?.address ?? { host: "nowhere", port: 0 };
  return (await fetch(`http://${host}:${port}${path}`)).text();
}

test("scale() starts an instance that answers, and to zero drains and removes it", async () => {
  bed.driver.scale(
    key,
    instanceSpec({
      env: [
        { name: "PORT", value: "8080" },
        { name: "GREETING", value: "hi" },
      ],
    }),
    1,
  );
  const [instance] = await untilReady(bed.driver, key);
  expect(await get(instance)).toBe("hi\n");
  expect(instance).toMatchObject({ restarts: 0, id: expect.stringMatching(/^hello-00001-[a-z0-9]{8}$/) });
  expect(await logOf(bed.driver, instance?.id ?? "")).toContain("serving on 8080");

  bed.driver.scale(key, instanceSpec(), 0);
  await eventually(bed.driver, key, (state) => state.instances.length === 0);
  expect(bed.drained).toEqual([instance?.id]);
  expect(bed.driver.get(key)).toMatchObject({ desired: 0 });
  bed.driver.remove(key);
  expect(bed.driver.get(key)).toBeUndefined();
});
