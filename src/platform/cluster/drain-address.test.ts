import { expect, onTestFinished, test } from "vitest";
import { manualClock, settle } from "../../../test/support/manual-clock.ts";
import { memoryCluster } from "../../../test/support/memory-cluster.ts";
import type { Client } from "../../client/client.ts";
import { Service } from "../../kubernetes/kinds/service.ts";
import { silentLog } from "../../lib/log.ts";
import { followDrainAddress } from "./drain-address.ts";

const namespace = "elafros-system";
const service = (clusterIP: string, name = "elafros-drains"): Service => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace, name },
  spec: { clusterIP, ports: [] },
});

async function follow(cluster = memoryCluster()) {
  let told = 0;
  const client = cluster.client as unknown as Client;
  const changed = () => void (told += 1);
  const address = await followDrainAddress({ client, clock: manualClock(), log: silentLog, namespace, changed });
  onTestFinished(() => address.stop());
  const now = async () => {
    await settle();
    return [address.facts.drainHook?.host, told];
  };
  return { cluster, now };
}

test("followDrainAddress() knows the address of the Service that is there", async () => {
  const cluster = memoryCluster();
  cluster.put(Service, service("10.96.0.9"));
  const { now } = await follow(cluster);
  expect(await now()).toEqual(["10.96.0.9", 0]);
});

test("followDrainAddress() tells of a Service that comes later, and of one that comes again elsewhere", async () => {
  const { cluster, now } = await follow();
  expect(await now()).toEqual([undefined, 0]);
  cluster.put(Service, service("10.96.0.7", "another"));
  expect(await now()).toEqual([undefined, 0]);
  cluster.put(Service, service("10.96.0.9"));
  expect(await now()).toEqual(["10.96.0.9", 1]);
  cluster.remove(Service, "elafros-drains", namespace);
  expect(await now()).toEqual(["10.96.0.9", 1]);
  cluster.put(Service, service("10.96.0.8"));
  expect(await now()).toEqual(["10.96.0.8", 2]);
});

test("followDrainAddress() takes no Service without an address", async () => {
  const cluster = memoryCluster();
  cluster.put(Service, service("None"));
  const { now } = await follow(cluster);
  expect(await now()).toEqual([undefined, 0]);
});
