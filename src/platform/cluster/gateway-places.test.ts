import { expect, test } from "vitest";
import type { Client } from "../../client/client.ts";
import type { Pod } from "../../kubernetes/kinds/pod.ts";
import { gatewayPlaces } from "./gateway-places.ts";

const running = { running: { startedAt: "2026-01-01T00:00:00Z" } };

function pod(name: string, phase: string, states: object[], metadata: object = {}): Pod {
  const containerStatuses = states.map((state) => ({ name: "gateway", state }));
  return { metadata: { name, ...metadata }, status: { phase, containerStatuses } } as unknown as Pod;
}

test("gatewayPlaces() names the Pods in which a process may run", async () => {
  const pods = [
    pod("serves", "Running", [running]),
    pod("ends", "Running", [running], { deletionTimestamp: "2026-01-01T00:00:00Z" }),
    pod("pulls", "Pending", []),
    pod("begins", "Pending", [{ waiting: { reason: "ContainerCreating" } }]),
    pod("waits for its image", "Pending", [{ waiting: { reason: "ImagePullBackOff" } }]),
    pod("crashed", "Running", [{ waiting: { reason: "CrashLoopBackOff" } }]),
    pod("stopped", "Running", [{ terminated: { exitCode: 0 } }]),
    pod("failed", "Failed", [running]),
    pod("done", "Succeeded", [running]),
  ];
  const asked: unknown[] = [];
  const list = (_kind: unknown, options: unknown) => {
    asked.push(options);
    return Promise.resolve({ items: pods });
  };
  const places = await gatewayPlaces({ list: list as unknown as Client["list"] }, "elafros-system");
  expect(places).toEqual(new Set(["serves", "ends", "begins"]));
  expect(asked).toEqual([{ namespace: "elafros-system", labelSelector: "app.kubernetes.io/name=elafros-gateway" }]);
});
