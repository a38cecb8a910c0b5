import { describe, expect, it, onTestFinished } from "vitest";

import { serviceBench } from "../../test/support/service.ts";
import { Namespace } from "../api/namespace.ts";
import { ClusterRole } from "../api/cluster-role.ts";
import { allKinds } from "../api/kinds.ts";
import { ApiError } from "../api/meta/errors.ts";
import type { ApiService } from "../api/meta/service.ts";
import type { KubeObject } from "../api/meta/types.ts";
import { systemClock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { createRbacCache } from "./rbac-cache.ts";
import { ensureDefaultRoles } from "./rbac-defaults.ts";
import { decide, rbacGroup, type RoleObject } from "./rbac.ts";

const kinds = allKinds.filter(({ group }) => group === rbacGroup);

function role(name: string): KubeObject & { rules: object[] } {
  const rules = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];
  return { apiVersion: `${rbacGroup}/v1`, kind: "ClusterRole", metadata: { name }, rules };
}

function cacheOf() {
  const cache = createRbacCache({ kinds, clock: systemClock, log: silentLog });
  onTestFinished(() => cache.stop());
  return cache;
}

describe("createRbacCache()", () => {
  it("has what was there, and what is written once settled() resolves", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("admin"), at(ClusterRole), role("early"));
    const cache = cacheOf();
    expect(cache.role("", "early")).toBeUndefined();
    await cache.start(service);
    expect(cache.role("", "early")?.rules).toHaveLength(1);
    const created = await service.create(as("admin"), at(ClusterRole), role("late"));
    await cache.settled(created, false);
    expect(cache.role("", "late")).toBeDefined();
    const { object } = await service.delete(as("admin"), at(ClusterRole, "late"));
    await cache.settled(object, true);
    expect(cache.role("", "late")).toBeUndefined();
  });

  it("lists anew after its watch failed, and forgets what went meanwhile", async () => {
    const { service, as, at } = await serviceBench();
    await service.create(as("admin"), at(ClusterRole), role("going"));
    let fail = (): void => {};
    const failing = new Promise<void>((resolve) => (fail = resolve));
    let watches = 0;
    const flaky: Pick<ApiService, "list" | "watch"> = {
      list: (...args) => service.list(...args),
      watch: (context, target, options) => {
        watches += 1;
        if (watches > kinds.length) return service.watch(context, target, options);
        return (async function* () {
          await failing;
          yield* [];
          throw new ApiError("Expired", "too old resource version");
        })();
      },
    };
    const cache = cacheOf();
    await cache.start(flaky);
    expect(cache.role("", "going")).toBeDefined();
    await service.delete(as("admin"), at(ClusterRole, "going"));
    await service.create(as("admin"), at(ClusterRole), role("new"));
    expect(cache.role("", "new")).toBeUndefined();
    fail();
    await expect.poll(() => cache.role("", "new")).toBeDefined();
    expect(cache.role("", "going")).toBeUndefined();
  });
});

describe("ensureDefaultRoles()", () => {
  it("makes the roles, gives taken rules back, keeps added ones, and leaves alone what says so", async () => {
    const { service, as, at } = await serviceBench();
    const namespace = { apiVersion: "v1", kind: "Namespace", metadata: { name: "build-templates" } };
    await service.create(as("admin"), { kind: Namespace }, namespace);
    await ensureDefaultRoles(service, allKinds);
    const read = (name: string): Promise<RoleObject> => service.get(as("admin"), at(ClusterRole, name));
    const original = await read("view");
    expect(original.rules?.flatMap(({ resources }) => resources)).not.toContain("secrets");
    const reader = {
      user: { username: "alice", groups: ["system:authenticated"] },
      verb: "list",
      resource: "buildtemplates",
    };
    const cache = createRbacCache({ kinds, clock: systemClock, log: silentLog });
    onTestFinished(() => cache.stop());
    await cache.start(service);
    const may = (where: string) =>
      decide(cache, { ...reader, group: "build.dev", subresource: "", namespace: where, name: "" });
    expect([may("build-templates").allowed, may("default").allowed]).toEqual([true, false]);
    const added = { apiGroups: ["x.dev"], resources: ["things"], verbs: ["get"] };
    await service.update(as("admin"), at(ClusterRole, "view"), { ...original, rules: [added] });
    const edit = await read("edit");
    const annotations = { "rbac.authorization.kubernetes.io/autoupdate": "false" };
    await service.update(as("admin"), at(ClusterRole, "edit"), {
      ...edit,
      metadata: { ...edit.metadata, annotations },
      rules: [],
    });
    await ensureDefaultRoles(service, allKinds);
    const completed = await read("view");
    expect(completed.rules).toContainEqual(added);
    expect(completed.rules?.flatMap(({ resources }) => resources)).toContain("routes");
    expect((await read("edit")).rules ?? []).toEqual([]);
    const { resourceVersion } = (await read("view")).metadata;
    await ensureDefaultRoles(service, allKinds);
    expect((await read("view")).metadata.resourceVersion).toBe(resourceVersion);
  });
});
