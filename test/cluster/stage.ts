/** The stage of the normative scenarios on a real cluster. */
import type { HttpClient } from "../../src/client/http.ts";
import { clusterKinds } from "../../src/kubernetes/manifests/crds.ts";
import { customResourceCall } from "../conformance/normative/custom-resources.ts";
import type { Stage } from "../conformance/normative/player.ts";
import type { GatewayAccess } from "./gateway-access.ts";

export function clusterStage(of: {
  client: HttpClient;
  access: GatewayAccess;
  namespace: string;
  domain: string;
  images: Stage["images"];
}): Stage {
  const { client, access, namespace, domain, images } = of;
  return {
    namespace,
    domain,
    images,
    // Nodes may have to pull an image first.
    patienceMs: 180_000,
    call: customResourceCall(client),
    ask: (host, path) => access.ask(host, path),
    async watch(path) {
      const kind = clusterKinds.find(({ kind: { plural } }) => path.endsWith(`/${plural}`))?.kind;
      if (kind === undefined) throw new Error(`Nothing is known of ${path}`);
      const { resourceVersion } = (await client.list(kind, { namespace })).metadata;
      const seen: unknown[] = [];
      const stopping = new AbortController();
      const follow = async () => {
        const events = client.watch(kind, { namespace, resourceVersion, signal: stopping.signal });
        for await (const { type, object } of events) if (type !== "BOOKMARK") seen.push(object);
      };
      // What ends it early shows as a state that wasn't seen.
      follow().catch(() => {});
      return { seen, stop: () => stopping.abort() };
    },
  };
}
