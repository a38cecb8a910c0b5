/** A Pod's spec as an InstanceSpec, for what runs it. Pure. */
import { cpuMilli, memoryBytes } from "../../../../src/api/meta/quantity.ts";
import type { InstanceSpec, ProbeSpec, SecuritySpec } from "../../../../src/runtime/workloads.ts";
import type { HttpGet, PodProbe, RealContainer, RealPod, SpecParts } from "./types.ts";

export function containerOf(pod: RealPod): RealContainer {
  const [container, more] = pod.spec.containers;
  if (container === undefined || more !== undefined) {
    throw new Error(`Cannot run Pod "${pod.metadata.name}": it must have one container in this cluster`);
  }
  return container;
}

/** What needs nothing but the Pod. */
export function specParts(pod: RealPod): SpecParts {
  const container = containerOf(pod);
  const { ports = [], readinessProbe, livenessProbe, startupProbe } = container;
  const port = ports[0]?.containerPort ?? 80;
  const probe = (of: PodProbe) => probeSpec(container, of);
  return {
    ...containerParts(container),
    port,
    protocol: "http1",
    // Without a probe a container is ready once it runs.
    readiness: readinessProbe === undefined ? always : probe(readinessProbe),
    ...(livenessProbe === undefined ? {} : { liveness: probe(livenessProbe) }),
    ...(startupProbe === undefined ? {} : { startup: probe(startupProbe) }),
    terminationGraceMs: (pod.spec.terminationGracePeriodSeconds ?? 30) * 1000,
    terminationMessagePath: container.terminationMessagePath,
    terminationMessagePolicy: container.terminationMessagePolicy,
    labels: pod.metadata.labels ?? {},
  };
}

/** What of a container is the same for every program. */
export function containerParts({
  resources,
  securityContext,
  workingDir,
}: RealContainer): Pick<SpecParts, "security" | "resources" | "workingDir"> {
  return {
    security: securitySpec(securityContext),
    resources: limits(resources?.limits ?? {}),
    ...(workingDir === undefined ? {} : { workingDir }),
  };
}

/** `$(NAME)` is the variable's value, `$$` one dollar; what nobody knows stays. */
export function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replaceAll(/\$\$|\$\(([-._a-zA-Z0-9]+)\)/g, (all, name: string | undefined) =>
    name === undefined ? "$" : (variables.get(name) ?? all),
  );
}

/** The number of a port that may be a name. */
export function portNumber({ name, ports = [] }: RealContainer, port: number | string): number {
  if (typeof port === "number") return port;
  const found = ports.find((one) => one.name === port)?.containerPort;
  if (found === undefined) throw new Error(`Container "${name}" has no port "${port}"`);
  return found;
}

const always: ProbeSpec = {
  action: { type: "exec", command: ["true"] },
  initialDelayMs: 0,
  periodMs: 600_000,
  timeoutMs: 5_000,
  successThreshold: 1,
  failureThreshold: 1_000,
};

function probeSpec(container: RealContainer, probe: PodProbe): ProbeSpec {
  return {
    action: actionOf(container, probe),
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: probe.periodSeconds * 1000,
    timeoutMs: probe.timeoutSeconds * 1000,
    successThreshold: probe.successThreshold,
    failureThreshold: probe.failureThreshold,
  };
}

function actionOf(container: RealContainer, { httpGet, tcpSocket, exec, grpc }: PodProbe): ProbeSpec["action"] {
  if (httpGet !== undefined) return httpAction(container, httpGet);
  if (tcpSocket !== undefined) return { type: "tcp", port: portNumber(container, tcpSocket.port) };
  if (grpc !== undefined) return { type: "grpc", port: grpc.port, service: grpc.service ?? "" };
  return { type: "exec", command: exec?.command ?? [] };
}

function httpAction(container: RealContainer, { path = "/", port, scheme, httpHeaders = [] }: HttpGet) {
  return {
    type: "http",
    path,
    port: portNumber(container, port),
    scheme: scheme === "HTTPS" ? "https" : "http",
    headers: httpHeaders,
  } as const;
}

function securitySpec(context: RealContainer["securityContext"] = {}): SecuritySpec {
  const { capabilities = {}, runAsUser, runAsGroup, runAsNonRoot = false, readOnlyRootFilesystem = false } = context;
  return {
    runAsNonRoot,
    readOnlyRootFilesystem,
    addCapabilities: capabilities.add ?? [],
    dropCapabilities: capabilities.drop ?? [],
    seccomp: context.seccompProfile?.type === "Unconfined" ? "Unconfined" : "RuntimeDefault",
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(runAsGroup === undefined ? {} : { runAsGroup }),
  };
}

function limits({ cpu, memory }: Record<string, string>): InstanceSpec["resources"] {
  const [milli, bytes] = [cpuMilli(cpu ?? ""), memoryBytes(memory ?? "")];
  return {
    ...(milli === undefined ? {} : { cpuMilli: milli }),
    ...(bytes === undefined ? {} : { memoryBytes: bytes }),
  };
}
