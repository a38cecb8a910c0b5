import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";
import type { Kind } from "../../src/api/meta/kind.ts";
import type { ApiService, RequestContext, Target } from "../../src/api/meta/service.ts";
import { allKinds } from "../../src/api/kinds.ts";
import { Namespace } from "../../src/api/namespace.ts";
import { createApiService } from "../../src/apiserver/service.ts";
import type { ApiServiceOptions } from "../../src/apiserver/service.ts";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { openStore } from "../../src/store/open.ts";
import type { StoreOptions } from "../../src/store/open.ts";
import type { Store } from "../../src/store/store.ts";

/** An API over a store of its own, which goes with the test. */
export interface ServiceBench {
  store: Store;
  service: ApiService;
  /** A request by `user`, who is in `groups`. */
  as: (username: string, ...groups: string[]) => RequestContext;
  /** Targets in the namespace `default`, which is there. */
  at: (kind: Kind, name?: string, subresource?: "status") => Target;
  options: ApiServiceOptions;
}

/** Opens a store in a directory of its own and an API over it that allows everything. */
export async function serviceBench(
  overrides: Partial<ApiServiceOptions> & { storeOptions?: Partial<StoreOptions> } = {},
): Promise<ServiceBench> {
  const directory = await mkdtemp(path.join(tmpdir(), "elafros-service-"));
  const clock = overrides.clock ?? systemClock;
  const file = path.join(directory, "store.db");
  const store = await openStore({ path: file, log: silentLog, clock, ...overrides.storeOptions });
  onTestFinished(async () => {
    await store.close();
    await rm(directory, { recursive: true });
  });
  const options: ApiServiceOptions = {
    store,
    kinds: allKinds,
    clock,
    log: silentLog,
    authorize: () => Promise.resolve(),
    ...overrides,
  };
  const service = createApiService(options);
  const as = (username: string, ...groups: string[]): RequestContext => ({ user: { username, groups }, warnings: [] });
  await service.create(
    as("admin"),
    { kind: Namespace },
    { apiVersion: "v1", kind: "Namespace", metadata: { name: "default" } },
  );
  return {
    store,
    service,
    options,
    as,
    at: (kind, name, subresource) => ({
      kind,
      ...(kind.namespaced ? { namespace: "default" } : {}),
      ...(name === undefined ? {} : { name }),
      ...(subresource === undefined ? {} : { subresource }),
    }),
  };
}
