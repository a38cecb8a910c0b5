import type { InstanceSpec, SecuritySpec } from "../../src/runtime/workloads.ts";

/** What a container is held to that asks for nothing. */
export const plainSecurity: SecuritySpec = {
  runAsNonRoot: false,
  readOnlyRootFilesystem: false,
  addCapabilities: [],
  dropCapabilities: [],
  seccomp: "RuntimeDefault",
};

/** A spec that serves HTTP on 8080. */
export function instanceSpec(more: Partial<InstanceSpec> = {}): InstanceSpec {
  return {
    image: "busybox",
    pullSecrets: [],
    env: [{ name: "PORT", value: "8080" }],
    port: 8080,
    protocol: "http1",
    security: plainSecurity,
    resources: {},
    mounts: [],
    readiness: {
      action: { type: "tcp", port: 8080 },
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1_000,
      successThreshold: 1,
      failureThreshold: 3,
    },
    terminationGraceMs: 5_000,
    terminationMessagePath: "/dev/termination-log",
    terminationMessagePolicy: "File",
    labels: {},
    ...more,
  };
}

/** A spec that runs a shell script. */
export function shellSpec(script: string, more: Partial<InstanceSpec> = {}): InstanceSpec {
  return instanceSpec({ command: ["/bin/sh", "-c", script], ...more });
}
