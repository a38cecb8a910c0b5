/** Where kubelets ask whether an instance is drained: the address of a Service, which stays when controllers come and go. It is followed, as it may be made after them. */
import type { Client } from "../../client/client.ts";
import { startInformer } from "../../client/informer.ts";
import { Service } from "../../kubernetes/kinds/service.ts";
import { drainsService, ports } from "../../kubernetes/manifests/names.ts";
import type { ClusterFacts } from "../../kubernetes/workloads/facts.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";

export interface DrainAddress {
  /** What is known now; it changes by itself. */
  readonly facts: ClusterFacts;
  stop(): Promise<void>;
}

interface DrainAddressOptions {
  client: Client;
  clock: Clock;
  log: Log;
  /** Of the installation. */
  namespace: string;
  /** Called after the address has changed. */
  changed: () => void;
}

/** Follows the Service. Resolves once it is known whether there is one. */
export async function followDrainAddress(options: DrainAddressOptions): Promise<DrainAddress> {
  const { namespace, log, changed, ...deps } = options;
  let drainHook: ClusterFacts["drainHook"];
  const services = startInformer({
    ...deps,
    log,
    kind: Service,
    namespace,
    fieldSelector: `metadata.name=${drainsService}`,
  });
  const look = (): boolean => {
    const host = services.get(`${namespace}/${drainsService}`)?.spec.clusterIP;
    // A Service that is gone is on its way back, if anything; an address that leads nowhere costs a Pod no more than none.
    if (host === undefined || host === "" || host === "None" || host === drainHook?.host) return false;
    drainHook = { host, port: ports.drains };
    return true;
  };
  await services.synced;
  if (!look()) {
    log.warn(
      { namespace, service: drainsService },
      "There is no Service for kubelets to ask: until there is, instances that others delete end without being drained",
    );
  }
  services.subscribe(() => {
    if (look()) changed();
  });
  return {
    facts: {
      get drainHook() {
        return drainHook;
      },
    },
    stop: () => services.stop(),
  };
}
