/** Makes the InstanceSpec of a Revision: everything an instance is made from, with no reference left to resolve. Pure. */
import { type Container, portOf, protocolOf } from "../../api/container.ts";
import { cpuMilli, memoryBytes } from "../../api/meta/quantity.ts";
import { configurationLabel, revisionLabel } from "../../api/labels.ts";
import type { Revision } from "../../api/revision.ts";
import type { InstanceSpec, RegistryAuth, SecuritySpec } from "../../runtime/workloads.ts";
import { expand, makeEnv } from "./env.ts";
import { makeMounts } from "./mounts.ts";
import { makeLiveness, makeReadiness, makeStartup } from "./probes.ts";
import { type ReferenceSource, createReferences } from "./references.ts";

/** Milliseconds from SIGTERM to SIGKILL, as in Kubernetes. */
const terminationGraceMs = 30_000;

export interface InstanceSpecInput {
  revision: Revision;
  /** The exact image, `name@sha256:…`. */
  image: string;
  auths: readonly RegistryAuth[];
  source: ReferenceSource;
}

/** The spec, or a sentence for each thing that it refers to and that isn't there. */
export type InstanceSpecResult = { spec: InstanceSpec } | { missing: readonly string[] };

export function makeInstanceSpec(input: InstanceSpecInput): InstanceSpecResult {
  const { revision, image } = input;
  const { container } = revision.spec;
  const references = createReferences(input.source);
  const env = makeEnv(container, { object: revision, platform: platformEnv(revision), references });
  const mounts = makeMounts(
    { volumeMounts: container.volumeMounts, volumes: revision.spec.volumes, namespace: input.source.namespace },
    references,
  );
  if (references.problems.length > 0) return { missing: references.problems };

  const liveness = makeLiveness(container);
  const startup = makeStartup(container);
  return {
    spec: {
      image,
      pullSecrets: [...input.auths],
      ...(container.command === undefined ? {} : { command: container.command.map((word) => expand(word, env)) }),
      ...(container.args === undefined ? {} : { args: container.args.map((word) => expand(word, env)) }),
      ...(container.workingDir === undefined || container.workingDir === ""
        ? {}
        : { workingDir: container.workingDir }),
      env: [...env].map(([name, value]) => ({ name, value })),
      port: portOf(container),
      protocol: protocolOf(container),
      security: makeSecurity(container),
      resources: makeResources(container),
      mounts,
      readiness: makeReadiness(container),
      ...(liveness === undefined ? {} : { liveness }),
      ...(startup === undefined ? {} : { startup }),
      terminationGraceMs,
      terminationMessagePath: container.terminationMessagePath ?? "/dev/termination-log",
      terminationMessagePolicy: container.terminationMessagePolicy ?? "File",
      labels: { ...revision.metadata.labels, [revisionLabel]: revision.metadata.name },
    },
  };
}

function platformEnv(revision: Revision): ReadonlyMap<string, string> {
  const configuration = revision.metadata.labels?.[configurationLabel] ?? "";
  return new Map([
    ["PORT", String(portOf(revision.spec.container))],
    // A service is a Route and a Configuration of one name, so the Configuration's name is the service's.
    ["K_SERVICE", configuration],
    ["K_CONFIGURATION", configuration],
    ["K_REVISION", revision.metadata.name],
  ]);
}

/** Who the process is and what it may do. */
export function makeSecurity(container: Pick<Container, "securityContext">): SecuritySpec {
  const context = container.securityContext;
  return {
    ...(context?.runAsUser === undefined ? {} : { runAsUser: context.runAsUser }),
    ...(context?.runAsGroup === undefined ? {} : { runAsGroup: context.runAsGroup }),
    runAsNonRoot: context?.runAsNonRoot ?? false,
    readOnlyRootFilesystem: context?.readOnlyRootFilesystem ?? false,
    addCapabilities: [...(context?.capabilities?.add ?? [])],
    dropCapabilities: [...(context?.capabilities?.drop ?? [])],
    seccomp: context?.seccompProfile?.type ?? "RuntimeDefault",
  };
}

/** The limits; a request without a limit sets none, as in Kubernetes, where it only reserves. */
export function makeResources(container: Pick<Container, "resources">): InstanceSpec["resources"] {
  const cpu = container.resources?.limits?.["cpu"];
  const memory = container.resources?.limits?.["memory"];
  const milli = cpu === undefined ? undefined : cpuMilli(cpu);
  const bytes = memory === undefined ? undefined : memoryBytes(memory);
  return {
    ...(milli === undefined ? {} : { cpuMilli: milli }),
    ...(bytes === undefined ? {} : { memoryBytes: bytes }),
  };
}
