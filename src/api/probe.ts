/** Probes of a container, as in core/v1. */
import type { Static } from "typebox";
import { choice, integer, intOrString, list, object, optional, refused, text } from "./meta/fields.ts";

const instanceOnly = "probes always ask the instance itself; name a virtual host with a Host header in httpHeaders";

const probePort = (description: string) => optional(intOrString(description, 15));

const httpGet = object("An HTTP GET; any answer from 200 to 399 is well.", {
  path: optional(text("The path and query. Default: /.", 2048)),
  port: probePort("The port, or the name of the container's port. Default: the container's port."),
  scheme: optional(choice("The protocol. Default: HTTP.", ["HTTP", "HTTPS"])),
  httpHeaders: optional(
    list(
      "Header fields to send.",
      32,
      object("A header field.", { name: text("Its name.", 256), value: text("Its value.", 4096) }),
    ),
  ),
  host: refused(instanceOnly),
});

const tcpSocket = object("A TCP connection that must open.", {
  port: probePort("The port, or the name of the container's port. Default: the container's port."),
  host: refused(instanceOnly),
});

const exec = object("A command in the instance that must exit with 0.", {
  command: list("The command and its arguments; no shell.", 64, text("One argument.", 4096), { minItems: 1 }),
});

const grpc = object("The gRPC health check (grpc.health.v1).", {
  port: integer("The port.", 1, 65_535),
  service: optional(text("The service to ask about. Default: the server as a whole.", 256)),
});

/** How an instance is asked whether it is well: exactly one of exec, grpc, httpGet and tcpSocket. */
export const probeSchema = object(
  "How an instance is asked whether it is well. Exactly one of exec, grpc, httpGet and tcpSocket.",
  {
    exec: optional(exec),
    grpc: optional(grpc),
    httpGet: optional(httpGet),
    tcpSocket: optional(tcpSocket),
    initialDelaySeconds: optional(integer("Seconds from the start until the first try. Default: 0.", 0, 3600)),
    periodSeconds: optional(
      integer(
        "Seconds between two tries. Default: 10; a readiness probe without it is tried every few milliseconds until the first success.",
        1,
        3600,
      ),
    ),
    timeoutSeconds: optional(integer("Seconds until a try counts as failed. Default: 1.", 1, 3600)),
    successThreshold: optional(
      integer("Successes in a row until it is well. Default: 1; must be 1 for liveness and startup.", 1, 100),
    ),
    failureThreshold: optional(integer("Failures in a row until it is not. Default: 3.", 1, 1000)),
    terminationGracePeriodSeconds: refused("not supported yet"),
  },
);
export type Probe = Static<typeof probeSchema>;
