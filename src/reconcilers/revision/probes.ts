/**
 * Probes of an instance, with the defaults of core/v1. The driver asks an instance that isn't ready yet every few milliseconds,
 * whatever the period: what counts on the way from zero are milliseconds. The period is for later, and for counting failures.
 */
import { type Container, portOf, protocolOf } from "../../api/container.ts";
import type { Probe } from "../../api/probe.ts";
import type { ProbeSpec } from "../../runtime/workloads.ts";

const defaults = { periodMs: 10_000, timeoutMs: 1_000, successThreshold: 1, failureThreshold: 3 };

/** Default: a TCP connection to the container's port. */
export function makeReadiness(container: Container): ProbeSpec {
  return makeProbe(container, container.readinessProbe ?? {});
}

export function makeLiveness(container: Container): ProbeSpec | undefined {
  return container.livenessProbe === undefined ? undefined : makeProbe(container, container.livenessProbe);
}

export function makeStartup(container: Container): ProbeSpec | undefined {
  return container.startupProbe === undefined ? undefined : makeProbe(container, container.startupProbe);
}

function makeProbe(container: Container, probe: Probe): ProbeSpec {
  const { initialDelaySeconds = 0, periodSeconds, timeoutSeconds, successThreshold, failureThreshold } = probe;
  return {
    action: makeAction(container, probe),
    initialDelayMs: initialDelaySeconds * 1000,
    periodMs: periodSeconds === undefined ? defaults.periodMs : periodSeconds * 1000,
    timeoutMs: timeoutSeconds === undefined ? defaults.timeoutMs : timeoutSeconds * 1000,
    successThreshold: successThreshold ?? defaults.successThreshold,
    failureThreshold: failureThreshold ?? defaults.failureThreshold,
  };
}

function makeAction(container: Container, probe: Probe): ProbeSpec["action"] {
  if (probe.exec !== undefined) return { type: "exec", command: [...probe.exec.command] };
  if (probe.grpc !== undefined) return { type: "grpc", port: probe.grpc.port, service: probe.grpc.service ?? "" };
  if (probe.httpGet !== undefined) {
    const { path, port, scheme, httpHeaders } = probe.httpGet;
    const at = resolvePort(container, port);
    // Such a port speaks nothing else.
    const http2 = scheme !== "HTTPS" && protocolOf(container) === "h2c" && at === portOf(container);
    return {
      type: "http",
      path: path === undefined || path === "" ? "/" : path,
      port: at,
      scheme: scheme === "HTTPS" ? "https" : "http",
      ...(http2 ? { http2 } : {}),
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
