/**
 * The Pod of a build: the steps are its init containers, which Kubernetes runs one after the other, and its one container takes the image that they leave. Pure: the same
 * spec makes the same Pod.
 */
import { dirname } from "node:path";
import { uploadsAudience } from "../../api/build-names.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { formatMemory } from "../../api/meta/quantity.ts";
import { buildHome, homeVariables } from "../../runtime/build-home.ts";
import { type BuildKey, type BuildSpec, type StepSpec, toolsImage } from "../../runtime/builds.ts";
import { fetchProgram } from "../../runtime/fetch/protocol.ts";
import type { EnvVar, SecurityContext, Volume, VolumeMount } from "../kinds/pod-template.ts";
import { literal, makeEnv, makeSecurityContext, makeVolumes } from "../workloads/make-template.ts";
import { type BuildSecrets, buildOwner, userSteps } from "./make-secrets.ts";
import { authoritiesFile, buildPodName, ownContainers, ownPaths, ownPrograms } from "./names.ts";
import { type StepMemory, stepResources } from "./step-resources.ts";

/** What a Pod needs besides its spec. */
export interface PodFacts {
  serviceAccountName: string;
  /** The image of Elafros itself. */
  image: string;
  /** The image with git and buildah: steps name it `elafros.dev/tools`. */
  tools: string;
  /** Of steps that say nothing of it. */
  stepMemory: StepMemory;
}

interface BuildContainer {
  name: string;
  image: string;
  imagePullPolicy: "Always" | "IfNotPresent";
  command?: string[];
  args?: string[];
  workingDir: string;
  env: EnvVar[];
  resources: { limits?: Record<string, string>; requests?: Record<string, string> };
  volumeMounts: VolumeMount[];
  securityContext: SecurityContext;
  terminationMessagePolicy: "FallbackToLogsOnError";
}

export interface BuildPod extends KubeObject {
  spec: {
    restartPolicy: "Never";
    activeDeadlineSeconds: number;
    terminationGracePeriodSeconds: number;
    automountServiceAccountToken: false;
    enableServiceLinks: false;
    serviceAccountName: string;
    imagePullSecrets?: { name: string }[];
    initContainers: BuildContainer[];
    containers: BuildContainer[];
    volumes: Volume[];
  };
}

/** The user that the platform's own programs run as; the files that hold credentials are another's, or ssh would call them open to others. */
const programUser = 65532;
const credentialsUser = 65533;
/** What credentials, and what programs write beside them, may take of memory. */
const credentialsBytes = 8 << 20;
/** What the platform's own programs need; what they may take besides is the node's to give. */
const ownResources = { requests: { cpu: "50m", memory: "96Mi" }, limits: { memory: "1Gi" } };

/** Directories that all steps share, in the order in which they are mounted. */
const shared = [
  { name: "elafros-workspace", mountPath: "/workspace" },
  { name: "elafros-builder", mountPath: "/builder" },
  { name: "elafros-home", mountPath: buildHome },
  { name: "elafros-layout", mountPath: "/builder/image" },
  { name: "elafros-cache", mountPath: "/builder/cache" },
];

/** The Pod, to be created once its Secrets are there. */
export function makeBuildPod(key: BuildKey, spec: BuildSpec, made: BuildSecrets, facts: PodFacts): BuildPod {
  const own = ownParts(spec, made, facts);
  const steps = makeSteps(spec, made, facts);
  const credentials = credentialVolumes(made);
  const emptyDirs = [
    ...shared.map(({ name }) => name),
    "elafros-tmp",
    ...(own.source === undefined ? [] : ["elafros-fetch"]),
  ];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: buildPodName(key),
      namespace: key.namespace,
      labels: spec.labels,
      ownerReferences: [buildOwner(key, spec.uid)],
    },
    spec: {
      restartPolicy: "Never",
      activeDeadlineSeconds: Math.max(1, Math.ceil(spec.timeoutMs / 1_000)),
      // Whoever ends a build ends it now.
      terminationGracePeriodSeconds: 1,
      // Steps reach no API.
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      serviceAccountName: facts.serviceAccountName,
      ...(made.pull === undefined ? {} : { imagePullSecrets: [{ name: made.pull }] }),
      initContainers: [
        ...(credentials.length > 0 || made.door.upload ? [own.prepare] : []),
        ...(own.source === undefined ? [] : [own.source]),
        ...steps.containers,
      ],
      containers: [own.image],
      volumes: [
        ...emptyDirs.map((name): Volume => ({ name, emptyDir: {} })),
        ...credentials.map(({ name }): Volume => ({
          name,
          emptyDir: { medium: "Memory", sizeLimit: formatMemory(credentialsBytes) },
        })),
        { name: "elafros-input", secret: { secretName: made.input, defaultMode: 0o444 } },
        ...(made.authorities ? [authoritiesVolume(made.input)] : []),
        ...(made.door.upload || made.door.image ? [doorToken] : []),
        ...steps.volumes,
      ],
    },
  };
}

/** Only the platform's own containers have it. */
const doorToken: Volume = {
  name: "elafros-door",
  projected: {
    sources: [{ serviceAccountToken: { audience: uploadsAudience, expirationSeconds: 3600, path: "token" } }],
  },
};

/** Nothing else of the input: steps see it too. */
function authoritiesVolume(secretName: string): Volume {
  const items = [{ key: authoritiesFile, path: authoritiesFile }];
  return { name: authoritiesMount.name, secret: { secretName, defaultMode: 0o444, items, optional: true } };
}

const authoritiesMount: VolumeMount = {
  name: "elafros-authorities",
  mountPath: ownPaths.authorities,
  readOnly: true,
};

/** For programs of Node.js, which add it to those that they know. */
const nodeTrust: EnvVar = { name: "NODE_EXTRA_CA_CERTS", value: `${ownPaths.authorities}/${authoritiesFile}` };
/** For those of Go, such as buildah, whose file with the others stays. */
const goTrust: EnvVar = { name: "SSL_CERT_DIR", value: ownPaths.authorities };

function credentialVolumes({ credentialDirectories }: BuildSecrets): VolumeMount[] {
  return credentialDirectories.map((path, index) => ({
    name: `elafros-credentials-${index}`,
    mountPath: `${buildHome}/${path}`,
  }));
}

/** The platform's own containers; that of the source only where the platform brings it. */
function ownParts(
  spec: BuildSpec,
  made: BuildSecrets,
  { image, tools }: PodFacts,
): { prepare: BuildContainer; source: BuildContainer | undefined; image: BuildContainer } {
  const credentials = credentialVolumes(made);
  const input: VolumeMount = { name: "elafros-input", mountPath: ownPaths.input, readOnly: true };
  const trust = made.authorities ? [authoritiesMount] : [];
  const tmp: VolumeMount = { name: "elafros-tmp", mountPath: "/tmp" };
  const door: VolumeMount = { name: doorToken.name, mountPath: dirname(ownPaths.token), readOnly: true };
  const fetched: VolumeMount = { name: "elafros-fetch", mountPath: ownPaths.fetch };
  const common = {
    imagePullPolicy: "IfNotPresent" as const,
    workingDir: "/",
    env: [{ name: "HOME", value: buildHome }, ...homeVariables(spec), ...(made.authorities ? [nodeTrust] : [])],
    resources: ownResources,
    securityContext: restricted(programUser),
    terminationMessagePolicy: "FallbackToLogsOnError" as const,
  };
  const fetches = spec.source !== undefined && spec.source.type !== "custom";
  return {
    prepare: {
      ...common,
      name: ownContainers.prepare,
      image,
      command: [ownPrograms.prepare, `${ownPaths.input}/prepare.json`, buildHome],
      volumeMounts: [
        ...shared.filter(({ mountPath }) => mountPath === buildHome),
        ...credentials,
        input,
        ...trust,
        ...(made.door.upload ? [door, fetched] : []),
      ],
      securityContext: restricted(credentialsUser),
    },
    source: fetches
      ? {
          ...common,
          name: "source",
          image: tools,
          command: [fetchProgram, `${ownPaths.input}/source.json`, ownPaths.termination, "/workspace", ownPaths.fetch],
          volumeMounts: [...shared, ...credentials, input, ...trust, tmp, fetched],
        }
      : undefined,
    image: {
      ...common,
      name: ownContainers.image,
      image,
      command: [ownPrograms.image, `${ownPaths.input}/image.json`, ownPaths.termination],
      volumeMounts: [
        ...shared.filter(({ mountPath }) => mountPath.startsWith("/builder")),
        input,
        ...trust,
        tmp,
        ...(made.door.image ? [door] : []),
      ],
    },
  };
}

/** As the Pod Security level `restricted` demands. */
function restricted(user: number): SecurityContext {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    readOnlyRootFilesystem: true,
    runAsGroup: user,
    runAsNonRoot: true,
    runAsUser: user,
    seccompProfile: { type: "RuntimeDefault" },
  };
}

/** The user's steps, and their volumes under names of our own: theirs may be ours. */
function makeSteps(
  spec: BuildSpec,
  made: BuildSecrets,
  facts: PodFacts,
): { containers: BuildContainer[]; volumes: Volume[] } {
  const steps = userSteps(spec);
  const { volumes, volumeMounts } = makeVolumes({ mounts: steps.flatMap(({ mounts }) => mounts) }, made.values);
  const names = new Map(volumes.map(({ name }, index) => [name, `volume-${index}`]));
  const renamed = (name: string) => names.get(name) ?? name;
  const always = [...shared, ...credentialVolumes(made), ...(made.authorities ? [authoritiesMount] : [])];
  let firstEnv = 0;
  let firstMount = 0;
  const containers = steps.map((step): BuildContainer => {
    const env = makeStepEnv(step, spec, { made, first: firstEnv });
    const mounts = volumeMounts.slice(firstMount, firstMount + step.mounts.length);
    firstEnv += step.env.length;
    firstMount += step.mounts.length;
    const isTools = step.image === toolsImage;
    return {
      name: step.name,
      image: isTools ? facts.tools : step.image,
      imagePullPolicy: isTools || isFixed(step.image) ? "IfNotPresent" : "Always",
      ...(step.command === undefined ? {} : { command: step.command.map(literal) }),
      ...(step.args === undefined ? {} : { args: step.args.map(literal) }),
      workingDir: step.workingDir ?? "/workspace",
      env,
      resources: stepResources(step, facts.stepMemory),
      volumeMounts: [...always, ...mounts.map((mount) => ({ ...mount, name: renamed(mount.name) }))],
      securityContext: isTools ? toolsContext(step) : makeSecurityContext(step.security),
      terminationMessagePolicy: "FallbackToLogsOnError",
    };
  });
  return { containers, volumes: volumes.map((volume) => ({ ...volume, name: renamed(volume.name) })) };
}

/** An image under a digest is the same each time; one of this name alone is only on nodes that were given it. */
function isFixed(image: string): boolean {
  return image.includes("@") || image.startsWith("localhost/");
}

/**
 * buildah makes its own user namespace in the container, as root of it: that needs what a container has on one machine, and a seccomp profile that lets it.
 * Kubernetes' own profile doesn't.
 */
function toolsContext({ security }: StepSpec): SecurityContext {
  const asked = security.runAsUser !== undefined || security.runAsNonRoot;
  if (asked) return makeSecurityContext(security);
  return { ...makeSecurityContext({ ...security, seccomp: "Unconfined" }), runAsUser: 0 };
}

/** `HOME`, then the step's own; of a variable that is set twice the later one counts. */
function makeStepEnv(
  step: StepSpec,
  spec: BuildSpec,
  { made, first }: { made: BuildSecrets; first: number },
): EnvVar[] {
  const trust = made.authorities && step.image === toolsImage ? [nodeTrust, goTrust] : [];
  const own = [
    { name: "HOME", value: buildHome },
    ...homeVariables(spec),
    ...trust.map(({ name, value = "" }) => ({ name, value })),
  ];
  return makeEnv([...own, ...step.env], (index) =>
    index < own.length ? undefined : made.values.env.get(first + index - own.length),
  );
}
