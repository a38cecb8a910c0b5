/**
 * Probes of an instance. Defaults are those of core/v1, except that a new instance is asked far more often: what counts on the way
 * from zero are milliseconds. Readiness is tried every 10 ms until it first succeeds; a startup probe without `periodSeconds`
 * every 100 ms, with as many failures allowed as fit in the 10 s periods that Kubernetes would have waited.
 */
import { type Container, portOf } from "../../api/container.ts";
import type { Probe } from "../../api/probe.ts";
import type { ProbeSpec } from "../../runtime/workloads.ts";

const startPeriodMs = 10;
const startupPeriodMs = 100;
const defaultPeriodMs = 10_000;
const defaultTimeoutMs = 1_000;
const defaultFailures = 3;

/** Default: a TCP connection to the container's port. */
export function makeReadiness(container: Container): ProbeSpec {
  const probe = container.readinessProbe;
  if (probe === undefined) {
    return {
      action: { type: "tcp", port: portOf(container) },
      initialDelayMs: 0,
      periodMs: defaultPeriodMs,
      startPeriodMs,
      timeoutMs: defaultTimeoutMs,
      successThreshold: 1,
      failureThreshold: defaultFailures,
    };
  }
  const spec = makeProbe(container, probe);
  return probe.periodSeconds === undefined ? { ...spec, startPeriodMs } : spec;
}

export function makeLiveness(container: Container): ProbeSpec | undefined {
  return container.livenessProbe === undefined ? undefined : makeProbe(container, container.livenessProbe);
}

export function makeStartup(container: Container): ProbeSpec | undefined {
  const probe = container.startupProbe;
  if (probe === undefined) return undefined;
  const spec = makeProbe(container, probe);
  if (probe.periodSeconds !== undefined) return spec;
  return {
    ...spec,
    periodMs: startupPeriodMs,
    failureThreshold: spec.failureThreshold * (defaultPeriodMs / startupPeriodMs),
  };
}

function makeProbe(container: Container, probe: Probe): ProbeSpec {
  return {
    action: makeAction(container, probe),
    initialDelayMs: (probe.initialDelaySeconds ?? 0) * 1000,
    periodMs: probe.periodSeconds === undefined ? defaultPeriodMs : probe.periodSeconds * 1000,
    timeoutMs: probe.timeoutSeconds === undefined ? defaultTimeoutMs : probe.timeoutSeconds * 1000,
    successThreshold: probe.successThreshold ?? 1,
    failureThreshold: probe.failureThreshold ?? defaultFailures,
  };
}

function makeAction(container: Container, probe: Probe): ProbeSpec["action"] {
  if (probe.exec !== undefined) return { type: "exec", command: [...probe.exec.command] };
  if (probe.grpc !== undefined) return { type: "grpc", port: probe.grpc.port, service: probe.grpc.service ?? "" };
  if (probe.httpGet !== undefined) {
    const { path, port, scheme, httpHeaders } = probe.httpGet;
    return {
      type: "http",
      path: path === undefined || path === "" ? "/" : path,
      port: resolvePort(container, port),
      scheme: scheme === "HTTPS" ? "https" : "http",
      headers: (httpHeaders ?? []).map(({ name, value }) => ({ name, value })),
    };
  }
  return { type: "tcp", port: resolvePort(container, probe.tcpSocket?.port) };
}

/** A number, or the name of the container's only port; validation has refused other names. */
function resolvePort(container: Container, port: number | string | undefined): number {
  if (typeof port === "number") return port === 0 ? portOf(container) : port;
  return port !== undefined && /^\d+$/.test(port) ? Number(port) : portOf(container);
}
