/** Probes as Kubernetes has them: whole seconds, and three kinds of them. Pure. */
import type { InstanceSpec, ProbeSpec } from "../../runtime/workloads.ts";
import type { Probe } from "../kinds/pod-template.ts";

/** The largest int32: a container that never becomes ready isn't killed for that. */
const never = 2 ** 31 - 1;

/**
 * The probes of an instance's container. Kubernetes asks no more often than once a second, and an instance that wasn't ready at
 * the first question would wait for a whole period; so unless the spec has a startup probe of its own, the readiness probe is
 * one too, each second, until it first succeeds.
 */
export function makeProbes(spec: Pick<InstanceSpec, "readiness" | "liveness" | "startup">): {
  readinessProbe: Probe;
  livenessProbe?: Probe;
  startupProbe: Probe;
} {
  const { readiness, liveness, startup } = spec;
  return {
    readinessProbe: probeOf(readiness),
    ...(liveness === undefined ? {} : { livenessProbe: probeOf(liveness) }),
    startupProbe:
      startup === undefined
        ? { ...probeOf(readiness), periodSeconds: 1, successThreshold: 1, failureThreshold: never }
        : probeOf(startup),
  };
}

function probeOf(probe: ProbeSpec): Probe {
  return {
    ...actionOf(probe.action),
    initialDelaySeconds: Math.ceil(probe.initialDelayMs / 1_000),
    periodSeconds: atLeastOne(probe.periodMs),
    timeoutSeconds: atLeastOne(probe.timeoutMs),
    successThreshold: probe.successThreshold,
    failureThreshold: probe.failureThreshold,
  };
}

function atLeastOne(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

function actionOf(action: ProbeSpec["action"]): Pick<Probe, "httpGet" | "tcpSocket" | "exec" | "grpc"> {
  switch (action.type) {
    case "exec":
      return { exec: { command: action.command } };
    case "grpc":
      return { grpc: { port: action.port, service: action.service } };
    case "tcp":
      return { tcpSocket: { port: action.port } };
    case "http":
      break;
  }
  // The kubelet speaks no HTTP/2 without TLS: that the port is open is all that it can find out.
  if (action.http2 === true) return { tcpSocket: { port: action.port } };
  const { path, port, scheme, headers, host } = action;
  const hosted = host === undefined ? [] : [{ name: "Host", value: host }];
  const httpHeaders = [...headers, ...hosted];
  return {
    httpGet: {
      path,
      port,
      scheme: scheme === "https" ? "HTTPS" : "HTTP",
      ...(httpHeaders.length === 0 ? {} : { httpHeaders }),
    },
  };
}
