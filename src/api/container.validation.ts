/** Faults of a container beyond its schema, in the words of core/v1. */
import { defaultCapabilities } from "../lib/capabilities.ts";
import type { Container, EnvVar } from "./container.ts";
import { imageWords, parseImage } from "./image.ts";
import type { Cause } from "./meta/errors.ts";
import { at, checked, forbidden, index, invalid, notSupported, tooMany } from "./meta/faults.ts";
import { type Check, dataKey, dns1123Subdomain, envName, qualifiedName } from "./meta/names.ts";
import { numbersToText, parseQuantity, quantityCheck } from "./meta/quantity.ts";
import { isObject } from "./meta/schema.ts";
import { validateProbes } from "./probe.validation.ts";
import { absolutePath, validateMounts } from "./volume.validation.ts";
import type { Volume } from "./volume.ts";

/** Environment variables that the platform sets in every instance. */
const reservedEnv: readonly string[] = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];

/** The capabilities that a container may be given, for use after `drop: [ALL]`. */
const grantableCapabilities: readonly string[] = defaultCapabilities;

/** What a container of a service and a step of a build have in common. */
type Process = Pick<
  Container,
  "image" | "command" | "args" | "env" | "envFrom" | "workingDir" | "resources" | "volumeMounts" | "securityContext"
>;

/** Faults of the container at `path`, which mounts from `volumes`. */
export function validateContainer(container: Container, volumes: readonly Volume[], path: string): Cause[] {
  return [
    ...validateProcess(container, volumes, path),
    ...reservedFaults(container, at(path, "env")),
    ...portFaults(container, at(path, "ports")),
    ...validateProbes(container, path),
    ...checked(messagePath, container.terminationMessagePath, at(path, "terminationMessagePath")),
    ...nulFaults(probeCommands(container), path),
  ];
}

/** Faults of what a container of a service and a step of a build at `path` have in common. */
export function validateProcess(container: Process, volumes: readonly Volume[], path: string): Cause[] {
  const { command = [], args = [] } = container;
  return [
    ...checked((image) => (parseImage(image) === undefined ? [imageWords] : []), container.image, at(path, "image")),
    ...(container.env ?? []).flatMap((variable, position) => envFaults(variable, index(at(path, "env"), position))),
    ...envFromFaults(container, at(path, "envFrom")),
    ...resourceFaults(container, at(path, "resources")),
    ...validateMounts(container, volumes, at(path, "volumeMounts")),
    ...securityFaults(container, at(path, "securityContext")),
    ...checked(absolutePath, container.workingDir, at(path, "workingDir")),
    ...nulFaults({ command, args }, path),
  ];
}

/** Writes quantities that are numbers as text. The form of `resources` is not known yet. */
export function completeResources(resources: unknown): void {
  if (!isObject(resources)) return;
  for (const map of [resources["limits"], resources["requests"]]) {
    if (isObject(map)) numbersToText(map, ["cpu", "memory"]);
  }
}

function reservedFaults(container: Container, path: string): Cause[] {
  return (container.env ?? []).flatMap(({ name }, position) =>
    reservedEnv.includes(name)
      ? [
          invalid(
            at(index(path, position), "name"),
            name,
            `is set by the platform, as are ${reservedEnv.join(", ")}: choose another name`,
          ),
        ]
      : [],
  );
}

function envFaults(variable: EnvVar, path: string): Cause[] {
  const { name, value = "", valueFrom } = variable;
  const faults = checked(envName, name, at(path, "name"));
  if (value.includes("\0")) faults.push(invalid(at(path, "value"), value, "must not contain a NUL character"));
  if (valueFrom === undefined) return faults;
  const field = at(path, "valueFrom");
  const given = Object.keys(valueFrom).length;
  if (value !== "") faults.push(invalid(field, "", "may not be specified when `value` is not empty"));
  else if (given === 0) {
    faults.push(invalid(field, "", "must specify one of: `fieldRef`, `configMapKeyRef` or `secretKeyRef`"));
  } else if (given > 1) faults.push(invalid(field, "", "may not have more than one field specified at a time"));
  for (const source of ["secretKeyRef", "configMapKeyRef"] as const) {
    faults.push(...checked(dns1123Subdomain, valueFrom[source]?.name, at(field, `${source}.name`)));
    faults.push(...checked(dataKey, valueFrom[source]?.key, at(field, `${source}.key`)));
  }
  faults.push(...checked(fieldPath, valueFrom.fieldRef?.fieldPath, at(field, "fieldRef.fieldPath")));
  return faults;
}

const fieldPath: Check = (value) => {
  if (["metadata.namespace", "spec.serviceAccountName"].includes(value)) return [];
  const key = /^metadata\.(?:labels|annotations)\['([^']*)'\]$/.exec(value)?.[1];
  if (key !== undefined) return qualifiedName(key);
  return [
    "not supported yet: only metadata.namespace, metadata.labels['KEY'], metadata.annotations['KEY'] and spec.serviceAccountName are",
  ];
};

function envFromFaults(container: Process, path: string): Cause[] {
  return (container.envFrom ?? []).flatMap((source, position) => {
    const place = index(path, position);
    const given = [source.secretRef, source.configMapRef].filter((ref) => ref !== undefined).length;
    const count =
      given === 0
        ? [invalid(place, "", "must specify one of: `configMapRef` or `secretRef`")]
        : given > 1
          ? [invalid(place, "", "may not have more than one field specified at a time")]
          : [];
    return [
      ...count,
      ...checked(envName, source.prefix, at(place, "prefix")),
      ...checked(dns1123Subdomain, source.secretRef?.name, at(place, "secretRef.name")),
      ...checked(dns1123Subdomain, source.configMapRef?.name, at(place, "configMapRef.name")),
    ];
  });
}

function portFaults(container: Container, path: string): Cause[] {
  const ports = container.ports ?? [];
  const faults: Cause[] = ports.length > 1 ? [tooMany(path, ports.length, 1)] : [];
  return faults;
}

function resourceFaults(container: Process, path: string): Cause[] {
  const { limits = {}, requests = {} } = container.resources ?? {};
  const faults = [
    ...quantityFaults(limits, at(path, "limits"), true),
    ...quantityFaults(requests, at(path, "requests")),
  ];
  for (const [name, request] of Object.entries(requests)) {
    const limit = parseQuantity(Object.hasOwn(limits, name) ? (limits[name] ?? "") : "");
    const asked = parseQuantity(request);
    if (limit !== undefined && asked !== undefined && asked > limit) {
      faults.push(invalid(at(path, "requests"), request, `must be less than or equal to ${name} limit`));
    }
  }
  return faults;
}

function quantityFaults(quantities: Record<string, string>, path: string, limits = false): Cause[] {
  return Object.entries(quantities).flatMap(([name, quantity]) => {
    const field = index(path, name);
    if (name !== "cpu" && name !== "memory") return [notSupported(field, name, ["cpu", "memory"])];
    const check = quantityCheck(limits ? "limit" : "amount");
    return check(quantity).map((words) => invalid(field, quantity, words));
  });
}

function securityFaults(container: Process, path: string): Cause[] {
  const { capabilities, allowPrivilegeEscalation, runAsNonRoot, runAsUser } = container.securityContext ?? {};
  const faults: Cause[] = [];
  if (allowPrivilegeEscalation === true) {
    faults.push(forbidden(at(path, "allowPrivilegeEscalation"), "no process of an instance ever gains privileges"));
  }
  if (runAsNonRoot === true && runAsUser === 0) {
    faults.push(invalid(at(path, "runAsUser"), runAsUser, "is root, which runAsNonRoot excludes"));
  }
  for (const [position, name] of (capabilities?.add ?? []).entries()) {
    if (!grantableCapabilities.includes(name.replace(/^CAP_/, ""))) {
      faults.push(notSupported(index(at(path, "capabilities.add"), position), name, grantableCapabilities));
    }
  }
  for (const [position, name] of (capabilities?.drop ?? []).entries()) {
    if (!/^[A-Z][A-Z0-9_]*$/.test(name)) {
      faults.push(
        invalid(index(at(path, "capabilities.drop"), position), name, "must be ALL or a capability such as NET_RAW"),
      );
    }
  }
  return faults;
}

/** A file that the platform makes in the instance. */
const messagePath: Check = (value) => {
  const faults = absolutePath(value);
  if (faults.length > 0) return faults;
  if (value.endsWith("/")) return ["must be the path of a file"];
  const system = ["/proc", "/sys"].find((root) => value === root || value.startsWith(`${root}/`));
  return system === undefined ? [] : [`must not be in ${system}, which the system makes`];
};

function probeCommands({ livenessProbe, readinessProbe, startupProbe }: Container): Record<string, readonly string[]> {
  return {
    "livenessProbe.exec.command": livenessProbe?.exec?.command ?? [],
    "readinessProbe.exec.command": readinessProbe?.exec?.command ?? [],
    "startupProbe.exec.command": startupProbe?.exec?.command ?? [],
  };
}

/** Arguments end at a NUL character, so none may hold one. */
function nulFaults(lists: Record<string, readonly string[]>, path: string): Cause[] {
  return Object.entries(lists).flatMap(([name, words]) =>
    words.flatMap((word, position) =>
      word.includes("\0") ? [invalid(index(at(path, name), position), word, "must not contain a NUL character")] : [],
    ),
  );
}
