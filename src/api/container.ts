/**
 * The container of a Revision: the fields of core/v1 Container that Elafros carries out. Every other field of core/v1 is
 * refused by name, so nothing is accepted and then ignored.
 */
import type { Static } from "typebox";
import { choice, flag, integer, keyed, list, object, optional, refused, quantities, text } from "./meta/fields.ts";
import { probeSchema } from "./probe.ts";

const notYet = "not supported yet";
const oneContainer = "a Revision has exactly one container";

const keyRef = (description: string) =>
  object(description, {
    name: text("Its name, in the same namespace.", 253, { minLength: 1 }),
    key: text("The key in it.", 253, { minLength: 1 }),
    optional: optional(flag("Whether it or the key may be missing. Default: false.")),
  });

export const envVarSchema = object("An environment variable.", {
  name: text("Its name.", 1024, { minLength: 1 }),
  value: optional(text("Its value. $(NAME) stands for an earlier variable. Default: empty.", 131_072)),
  valueFrom: optional(
    object("Where its value comes from. Exactly one of configMapKeyRef, fieldRef and secretKeyRef.", {
      secretKeyRef: optional(keyRef("A key of a Secret.")),
      configMapKeyRef: optional(keyRef("A key of a ConfigMap.")),
      fieldRef: optional(
        object("A field of the Revision, or of the Build.", {
          fieldPath: text(
            "One of metadata.namespace, metadata.labels['KEY'], metadata.annotations['KEY'] or spec.serviceAccountName.",
            512,
          ),
          apiVersion: optional(choice("Always v1.", ["v1"])),
        }),
      ),
      resourceFieldRef: refused(notYet),
      fileKeyRef: refused(notYet),
    }),
  ),
});
export type EnvVar = Static<typeof envVarSchema>;

const envSource = (description: string) =>
  object(description, {
    name: text("Its name, in the same namespace.", 253, { minLength: 1 }),
    optional: optional(flag("Whether it may be missing. Default: false.")),
  });

export const envFromSchema = object(
  "A Secret or ConfigMap whose keys become variables. Exactly one of configMapRef and secretRef.",
  {
    prefix: optional(text("Put before every key.", 253)),
    secretRef: optional(envSource("The Secret.")),
    configMapRef: optional(envSource("The ConfigMap.")),
  },
);

const port = object("The port that the container listens on.", {
  containerPort: integer("Its number.", 1, 65_535),
  name: optional(
    choice("The protocol: http1, or h2c for HTTP/2 without TLS, which gRPC speaks. Default: http1.", [
      "",
      "http1",
      "h2c",
    ]),
  ),
  protocol: optional(choice("Always TCP.", ["TCP"])),
  hostIP: refused("the gateway is the only way to an instance"),
  hostPort: refused("the gateway is the only way to an instance"),
});

export const resourcesSchema = object("How much of the machine an instance, or a step, may use.", {
  limits: optional(quantities("The most: cpu and memory as quantities, such as 500m and 256Mi.")),
  requests: optional(quantities("What is set aside: cpu and memory as quantities, at most the limits.")),
  claims: refused(notYet),
});

export const volumeMountSchema = object("Where a volume appears in the container.", {
  name: text("The volume's name.", 63, { minLength: 1 }),
  mountPath: text("The absolute path in the container, unique.", 1024, { minLength: 1 }),
  readOnly: optional(
    flag(
      "Whether the container can't write to it. Volumes of Secrets and ConfigMaps are always read-only. Default: false.",
    ),
  ),
  subPath: optional(text("The part of the volume that is mounted: relative, without `..`. Default: all of it.", 1024)),
  subPathExpr: refused(notYet),
  mountPropagation: refused(notYet),
  recursiveReadOnly: refused(notYet),
});

const capability = text("A capability such as NET_BIND_SERVICE.", 64);

export const securityContextSchema = object("Who the process is and what it may do.", {
  runAsUser: optional(integer("The user id. Default: the image's.", 0, 2 ** 31 - 1)),
  runAsGroup: optional(integer("The group id. Default: the image's.", 0, 2 ** 31 - 1)),
  runAsNonRoot: optional(flag("Whether a user id of 0 is refused at the start. Default: false.")),
  readOnlyRootFilesystem: optional(flag("Whether the image's files can't be written to. Default: false.")),
  allowPrivilegeEscalation: optional(flag("Only false: no process ever gains privileges.")),
  capabilities: optional(
    object("Capabilities besides or less than the default set.", {
      add: optional(list("Capabilities to give.", 64, capability)),
      drop: optional(
        list("Capabilities to take away; ALL takes away every one that add doesn't name.", 64, capability),
      ),
    }),
  ),
  seccompProfile: optional(
    object("The filter of system calls.", {
      type: choice("RuntimeDefault or Unconfined.", ["RuntimeDefault", "Unconfined"]),
      localhostProfile: refused(notYet),
    }),
  ),
  privileged: refused("an instance never has the machine's privileges"),
  procMount: refused(notYet),
  seLinuxOptions: refused(notYet),
  appArmorProfile: refused(notYet),
  windowsOptions: refused("instances run on Linux"),
});

export const containerSchema = object(
  "The container that every instance runs: the fields of core/v1 Container listed here.",
  {
    image: text(
      "The image, such as registry.example/app:1.2 or registry.example/app@sha256:…; its tag is resolved to a digest once per Revision.",
      1024,
      { minLength: 1 },
    ),
    command: optional(
      list("What runs instead of the image's entry point; no shell.", 256, text("One argument.", 131_072)),
    ),
    args: optional(list("Arguments instead of the image's.", 256, text("One argument.", 131_072))),
    env: optional(
      keyed(
        "Environment variables, besides PORT, K_SERVICE, K_CONFIGURATION and K_REVISION, which the platform sets.",
        1000,
        "name",
        envVarSchema,
      ),
    ),
    envFrom: optional(
      list(
        "Secrets and ConfigMaps whose keys become variables; env wins over them, later ones over earlier ones.",
        64,
        envFromSchema,
      ),
    ),
    workingDir: optional(text("The working directory. Default: the image's.", 1024)),
    imagePullPolicy: optional(
      choice("When the registry is asked. Default: Always for no tag and :latest, else IfNotPresent.", [
        "Always",
        "IfNotPresent",
        "Never",
      ]),
    ),
    ports: optional(
      keyed(
        "The port on which the container answers HTTP, at most one. Default: 8080, told in PORT.",
        64,
        "containerPort",
        port,
      ),
    ),
    resources: optional(resourcesSchema),
    livenessProbe: optional(probeSchema),
    readinessProbe: optional(probeSchema),
    startupProbe: optional(probeSchema),
    volumeMounts: optional(keyed("Where volumes appear in the container.", 64, "mountPath", volumeMountSchema)),
    securityContext: optional(securityContextSchema),
    terminationMessagePath: optional(
      text("The file from which the container's last words are read. Default: /dev/termination-log.", 1024),
    ),
    terminationMessagePolicy: optional(
      choice(
        "Where the last words come from when that file is empty: nowhere (File), or the last output. Default: File.",
        ["File", "FallbackToLogsOnError"],
      ),
    ),
    name: refused(`${oneContainer}, which needs no name`),
    lifecycle: refused(notYet),
    restartPolicy: refused(`${oneContainer}, and it is always restarted`),
    restartPolicyRules: refused(notYet),
    resizePolicy: refused(notYet),
    stdin: refused("a service gets its input by HTTP"),
    stdinOnce: refused("a service gets its input by HTTP"),
    tty: refused("a service has no terminal"),
    volumeDevices: refused("instances never see the machine's devices"),
  },
);
export type Container = Static<typeof containerSchema>;

/** The port on which containers answer that name none. */
export const defaultPort = 8080;

/** The protocol of the container's port: HTTP/1.1 unless its name says h2c. */
export function protocolOf(container: Container): "http1" | "h2c" {
  return container.ports?.[0]?.name === "h2c" ? "h2c" : "http1";
}

/** The port on which a container answers. */
export function portOf(container: Container): number {
  return container.ports?.[0]?.containerPort ?? defaultPort;
}
