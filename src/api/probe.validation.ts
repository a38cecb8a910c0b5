/** Faults of probes beyond their schema. */
import { type Container, portOf } from "./container.ts";
import type { Cause } from "./meta/errors.ts";
import { at, forbidden, invalid, required } from "./meta/faults.ts";
import type { Probe } from "./probe.ts";

const handlers = ["exec", "grpc", "httpGet", "tcpSocket"] as const;

/** Faults of the container's three probes; `path` is the container's. */
export function validateProbes(container: Container, path: string): Cause[] {
  const { livenessProbe, readinessProbe, startupProbe } = container;
  return [
    ...probeFaults(livenessProbe, at(path, "livenessProbe"), container),
    ...onceFaults(livenessProbe, at(path, "livenessProbe")),
    ...probeFaults(readinessProbe, at(path, "readinessProbe"), container),
    ...probeFaults(startupProbe, at(path, "startupProbe"), container),
    ...onceFaults(startupProbe, at(path, "startupProbe")),
  ];
}

/** Liveness and startup are decided by one success. */
function onceFaults(probe: Probe | undefined, path: string): Cause[] {
  const threshold = probe?.successThreshold ?? 1;
  return threshold === 1 ? [] : [invalid(at(path, "successThreshold"), threshold, "must be 1")];
}

function probeFaults(probe: Probe | undefined, path: string, container: Container): Cause[] {
  if (probe === undefined) return [];
  const given = handlers.filter((handler) => probe[handler] !== undefined);
  const faults: Cause[] = given.length === 0 ? [required(path, "must specify a handler type")] : [];
  for (const extra of given.slice(1))
    faults.push(forbidden(at(path, extra), "may not specify more than 1 handler type"));
  faults.push(...portFaults(probe.httpGet?.port, at(path, "httpGet.port"), container));
  faults.push(...portFaults(probe.tcpSocket?.port, at(path, "tcpSocket.port"), container));
  const probePath = probe.httpGet?.path ?? "";
  if (probePath !== "" && !/^\/[!-~]*$/.test(probePath)) {
    faults.push(
      invalid(at(path, "httpGet.path"), probePath, "must be a path that begins with / and is percent-encoded"),
    );
  }
  for (const [position, { name, value }] of (probe.httpGet?.httpHeaders ?? []).entries()) {
    const place = at(path, `httpGet.httpHeaders[${position}]`);
    if (name !== "" && !/^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/.test(name)) {
      faults.push(invalid(at(place, "name"), name, "must be the name of an HTTP header field"));
    }
    if (!/^[\t -~\u0080-\u00ff]*$/.test(value)) {
      faults.push(invalid(at(place, "value"), value, "must be the value of an HTTP header field: no line breaks"));
    }
  }
  return faults;
}

function portFaults(port: number | string | undefined, field: string, container: Container): Cause[] {
  if (port === undefined || port === "") return [];
  if (typeof port === "number" || /^\d+$/.test(port)) {
    const number = Number(port);
    return number >= 0 && number <= 65_535 ? [] : [invalid(field, port, "must be between 1 and 65535, inclusive")];
  }
  if (port === container.ports?.[0]?.name) return [];
  return [invalid(field, port, `must be a number or the name of the container's port, ${portOf(container)}`)];
}
