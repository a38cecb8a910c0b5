/** The Pod template of a workload. Pure: the same spec and facts make the same template, so that a Deployment changes only with them. */
import { revisionLabel } from "../../api/labels.ts";
import { formatCpu, formatMemory } from "../../api/meta/quantity.ts";
import { defaultCapabilities } from "../../lib/capabilities.ts";
import type { InstanceSpec, SecuritySpec, WorkloadKey } from "../../runtime/workloads.ts";
import type { EnvVar, PodTemplate, SecurityContext, Volume, VolumeMount } from "../kinds/pod-template.ts";
import type { ClusterFacts, RevisionFacts } from "./facts.ts";
import { makeProbes } from "./make-probes.ts";
import { pullSecretName, type SecretPlace, type ValueSecrets } from "./make-secrets.ts";

/** The one container of each Pod. */
const containerName = "user-container";

/** Upgraded and streaming connections may end by themselves for so long. */
const leastDrainSeconds = 600;

export interface TemplateInput {
  key: WorkloadKey;
  spec: InstanceSpec;
  values: ValueSecrets;
  revision: RevisionFacts;
  cluster: ClusterFacts;
}

export function makeTemplate({ key, spec, values, revision, cluster }: TemplateInput): PodTemplate {
  const env = makeEnv(spec.env, (index) => values.env.get(index));
  const { volumes, volumeMounts } = makeVolumes(spec, values);
  const resources = makeResources(spec, revision.requests);
  const { nodeSelector, tolerations } = revision.scheduling;
  const drainSeconds = cluster.drainHook === undefined ? 0 : Math.max(revision.timeoutSeconds, leastDrainSeconds);
  return {
    metadata: { labels: { ...spec.labels, [revisionLabel]: key.name } },
    spec: {
      containers: [
        {
          name: containerName,
          image: spec.image,
          imagePullPolicy: "IfNotPresent",
          ...(spec.command === undefined ? {} : { command: spec.command.map(literal) }),
          ...(spec.args === undefined ? {} : { args: spec.args.map(literal) }),
          ...(spec.workingDir === undefined ? {} : { workingDir: spec.workingDir }),
          ...(env.length === 0 ? {} : { env }),
          ports: [{ name: spec.protocol, containerPort: spec.port, protocol: "TCP" }],
          ...(resources === undefined ? {} : { resources }),
          ...(volumeMounts.length === 0 ? {} : { volumeMounts }),
          ...makeProbes(spec),
          ...(cluster.drainHook === undefined ? {} : { lifecycle: { preStop: hook(key, cluster.drainHook) } }),
          securityContext: makeSecurityContext(spec.security),
          terminationMessagePath: spec.terminationMessagePath,
          terminationMessagePolicy: spec.terminationMessagePolicy,
        },
      ],
      // Instances reach no API, and find each other by the gateway: as on one machine.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      ...(spec.pullSecrets.length === 0 ? {} : { imagePullSecrets: [{ name: pullSecretName(key) }] }),
      ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
      serviceAccountName: revision.serviceAccountName,
      terminationGracePeriodSeconds: drainSeconds + Math.ceil(spec.terminationGraceMs / 1_000),
      ...(tolerations.length === 0 ? {} : { tolerations }),
      ...(volumes.length === 0 ? {} : { volumes }),
    },
  };
}

/**
 * Asks control before the process is told to end: it answers once no gateway sends the Revision's ending Pods anything any more. The path can't
 * name the Pod, as it is the same in all of them.
 */
function hook(key: WorkloadKey, { host, port }: { host: string; port: number }) {
  return { httpGet: { host, port, path: `/drained/${key.namespace}/${key.name}`, scheme: "HTTP" as const } };
}

/** Kubernetes replaces $(NAME), and makes one dollar of two: what is there is to arrive as it is. */
export function literal(text: string): string {
  return text.replaceAll("$", "$$$$");
}

/**
 * A container's variables, each with its value or the Secret that has it. Of one that is set twice the later one counts: server-side apply takes no name twice.
 *
 * @param placeOf where a Secret has the value of the variable at that place of `env`
 */
export function makeEnv(env: InstanceSpec["env"], placeOf: (index: number) => SecretPlace | undefined): EnvVar[] {
  const byName = new Map<string, EnvVar>();
  for (const [index, { name, value }] of env.entries()) {
    const place = placeOf(index);
    byName.delete(name);
    byName.set(
      name,
      place === undefined
        ? { name, value: literal(value) }
        : { name, valueFrom: { secretKeyRef: { name: place.secret, key: place.key } } },
    );
  }
  return [...byName.values()];
}

export function makeVolumes(
  spec: Pick<InstanceSpec, "mounts">,
  values: Pick<ValueSecrets, "files">,
): { volumes: Volume[]; volumeMounts: VolumeMount[] } {
  const volumes = new Map<string, Volume>();
  const volumeMounts = spec.mounts.map((mount, index): VolumeMount => {
    const { source, volume: name } = mount;
    if (!volumes.has(name)) {
      volumes.set(name, source.type === "emptyDir" ? emptyDir(name, source) : files(name, { source, index, values }));
    }
    return {
      name,
      mountPath: mount.mountPath,
      ...(mount.readOnly ? { readOnly: true } : {}),
      ...(mount.subPath === undefined ? {} : { subPath: mount.subPath }),
    };
  });
  return { volumes: [...volumes.values()], volumeMounts };
}

type Source = InstanceSpec["mounts"][number]["source"];

function emptyDir(name: string, { medium, sizeLimitBytes }: Extract<Source, { type: "emptyDir" }>): Volume {
  return {
    name,
    emptyDir: {
      ...(medium === "" ? {} : { medium }),
      ...(sizeLimitBytes === undefined ? {} : { sizeLimit: formatMemory(sizeLimitBytes) }),
    },
  };
}

function files(
  name: string,
  where: { source: Extract<Source, { type: "files" }>; index: number; values: Pick<ValueSecrets, "files"> },
): Volume {
  const places = where.values.files.get(where.index) ?? [];
  const bySecret = new Map<string, { key: string; path: string; mode: number }[]>();
  for (const [index, { path, mode }] of where.source.files.entries()) {
    const place = places[index];
    if (place === undefined) continue;
    bySecret.set(place.secret, [...(bySecret.get(place.secret) ?? []), { key: place.key, path, mode }]);
  }
  const sources = [...bySecret].map(([secret, items]) => ({ secret: { name: secret, items } }));
  return { name, projected: { sources } };
}

function makeResources(
  { resources }: InstanceSpec,
  requests: Record<string, string>,
): { limits?: Record<string, string>; requests?: Record<string, string> } | undefined {
  const { cpuMilli, memoryBytes } = resources;
  const limits = {
    ...(cpuMilli === undefined ? {} : { cpu: formatCpu(cpuMilli) }),
    ...(memoryBytes === undefined ? {} : { memory: formatMemory(memoryBytes) }),
  };
  if (Object.keys(limits).length + Object.keys(requests).length === 0) return undefined;
  return {
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(requests).length === 0 ? {} : { requests }),
  };
}

/**
 * Where the spec says that nobody is root inside, the Pod Security level `restricted` is kept. Elsewhere the container has what it has on one
 * machine, which `baseline` allows: official images start as root and give their rights up themselves.
 */
export function makeSecurityContext(security: SecuritySpec): SecurityContext {
  const { runAsUser, runAsGroup, readOnlyRootFilesystem, seccomp } = security;
  const nonRoot = security.runAsNonRoot || (runAsUser !== undefined && runAsUser > 0);
  const bare = (name: string) => name.toUpperCase().replace(/^CAP_/u, "");
  const drops = new Set(security.dropCapabilities.map(bare));
  const usual: readonly string[] = nonRoot || drops.has("ALL") ? [] : defaultCapabilities;
  const add = new Set([...usual.filter((name) => !drops.has(name)), ...security.addCapabilities.map(bare)]);
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"], ...(add.size === 0 ? {} : { add: [...add].toSorted() }) },
    ...(readOnlyRootFilesystem ? { readOnlyRootFilesystem } : {}),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
    ...(nonRoot ? { runAsNonRoot: true } : {}),
    ...(runAsUser === undefined ? {} : { runAsUser }),
    seccompProfile: { type: seccomp },
  };
}
