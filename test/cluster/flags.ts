/** What `npm run check:cluster` is told; docs/cluster.md says more. */
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    kubeconfig: { type: "string" },
    context: { type: "string" },
    image: { type: "string" },
    "image-prefix": { type: "string" },
    registry: { type: "string" },
    gateway: { type: "string" },
    drain: { type: "boolean", default: false },
    "drain-node": { type: "string" },
    "upgrade-image": { type: "string" },
  },
});

export interface CheckFlags {
  kubeconfig: string | undefined;
  context: string | undefined;
  /** Of Elafros, where the cluster's nodes can have it: then controllers and gateways must run. */
  image: string | undefined;
  /** Apps are `PREFIX/app:1` to `:3`; and whether they are made and pushed there first. */
  apps: { prefix: string; push: boolean } | undefined;
  /** Where the gateways are reached from here, `HOST[:PORT]`; undefined: through the API server. */
  gateway: string | undefined;
  /** A node by its name, any of at least two, or none. */
  drain: { node: string | undefined } | undefined;
  upgradeImage: string | undefined;
}

/** @throws Error that names flags that need others */
export function readFlags(): CheckFlags {
  const { image, registry, drain } = values;
  const prefix = registry ?? values["image-prefix"];
  const node = values["drain-node"];
  const upgradeImage = values["upgrade-image"];
  if (registry !== undefined && values["image-prefix"] !== undefined)
    throw new Error(
      "--registry pushes the apps' images there, and --image-prefix names where they are: say one of them",
    );
  const needing = { "--image-prefix or --registry": prefix, "--drain or --drain-node": node ?? (drain || undefined) };
  for (const [flag, value] of Object.entries({ ...needing, "--upgrade-image": upgradeImage })) {
    if (value !== undefined && image === undefined)
      throw new Error(`${flag} needs --image, an image of Elafros that the nodes can have: without it nothing runs`);
  }
  if (upgradeImage !== undefined && upgradeImage === image)
    throw new Error(
      `--upgrade-image "${image}" is --image: nothing would be replaced. Name another, or leave it out: then the Pods are replaced by others of the same image`,
    );
  const needsApps = node !== undefined || drain || upgradeImage !== undefined;
  if (needsApps && prefix === undefined)
    throw new Error("Draining and upgrading need a service under load: say --image-prefix or --registry for its image");
  return {
    kubeconfig: values.kubeconfig,
    context: values.context,
    image,
    apps: prefix === undefined ? undefined : { prefix, push: registry !== undefined },
    gateway: values.gateway,
    drain: node !== undefined || drain ? { node } : undefined,
    upgradeImage,
  };
}
