/**
 * What the options of `deploy` change in a Configuration's template. Whatever they don't name stays as it is.
 */
import { defaultPort } from "../api/container.ts";
import { typeLabel } from "../api/labels.ts";
import type { KeyChange, ServiceType } from "./options.ts";
import type { Container, RevisionSpec, Template } from "./objects.ts";
import type { SecretChange } from "./secret-option.ts";

export interface TemplateChanges {
  image: string;
  /** What is built is one or the other; absent with an image, which tells nothing. */
  type?: ServiceType | undefined;
  /** Of `--env-file` and then `--env`, in order. */
  env: readonly KeyChange[];
  secrets: readonly SecretChange[];
  pullSecrets: readonly string[];
  labels: readonly KeyChange[];
  annotations: readonly KeyChange[];
  port?: number | undefined;
  /** What the container speaks on its port. */
  protocol?: "http1" | "h2c" | undefined;
  cpu?: string | undefined;
  memory?: string | undefined;
  concurrency?: number | undefined;
  timeoutSeconds?: number | undefined;
  serviceAccount?: string | undefined;
}

/** The template after the changes; `before` isn't changed. */
export function changeTemplate(before: Template | undefined, changes: TemplateChanges): Template {
  const template = structuredClone(before ?? { spec: { container: { image: "" } } });
  const { spec } = template;
  spec.container.image = changes.image;
  // It would win over what is deployed now.
  delete spec.buildName;
  for (const change of changes.env) setEnv(spec.container, change);
  for (const change of changes.secrets) applySecret(spec, change);
  for (const name of changes.pullSecrets) setPullSecret(spec, name);
  if (changes.port !== undefined || changes.protocol !== undefined) {
    const port = spec.container.ports?.[0] ?? { containerPort: defaultPort };
    const name = changes.protocol ?? port.name;
    const containerPort = changes.port ?? port.containerPort;
    spec.container.ports = [{ ...port, ...(name === undefined ? {} : { name }), containerPort }];
  }
  setLimit(spec.container, "cpu", changes.cpu);
  setLimit(spec.container, "memory", changes.memory);
  const type = setType(template, changes.type);
  if (changes.concurrency !== undefined) spec.containerConcurrency = changes.concurrency;
  if (changes.timeoutSeconds !== undefined) spec.timeoutSeconds = changes.timeoutSeconds;
  if (changes.serviceAccount !== undefined) spec.serviceAccountName = changes.serviceAccount;
  template.metadata = {
    ...template.metadata,
    ...keyed("labels", changeKeys(template.metadata?.labels, [...type, ...changes.labels])),
    annotations: changeKeys(template.metadata?.annotations, changes.annotations) ?? {},
  };
  return template;
}

/**
 * What becomes a function gets one request at a time per instance, and the label that tells; what is one keeps what it has. What was
 * one and is built as an app loses both.
 * @returns the change of the label
 */
function setType({ metadata, spec }: Template, type: ServiceType | undefined): KeyChange[] {
  const wasFunction = metadata?.labels?.[typeLabel] === "function";
  if (type === undefined || wasFunction === (type === "function")) return [];
  if (type === "app") {
    delete spec.concurrencyModel;
    return [{ key: typeLabel }];
  }
  spec.concurrencyModel = "SingleThreaded";
  delete spec.containerConcurrency;
  return [{ key: typeLabel, value: "function" }];
}

/** A map of labels or annotations after changes; undefined where it is empty. */
export function changeKeys(
  before: Readonly<Record<string, string>> | undefined,
  changes: readonly KeyChange[],
): Record<string, string> | undefined {
  const map = new Map(Object.entries(before ?? {}));
  for (const { key, value } of changes) {
    if (value === undefined) map.delete(key);
    else map.set(key, value);
  }
  return map.size === 0 && before === undefined ? undefined : Object.fromEntries(map);
}

function keyed<K extends string, V>(key: K, value: V | undefined): Partial<Record<K, V>> {
  return value === undefined ? {} : ({ [key]: value } as Partial<Record<K, V>>);
}

function setEnv(container: Container, { key, value }: KeyChange): void {
  const env = container.env ?? [];
  const at = env.findIndex((one) => one.name === key);
  if (value === undefined) {
    if (at !== -1) container.env = env.filter((one) => one.name !== key);
  } else if (at === -1) container.env = [...env, { name: key, value }];
  else container.env = env.with(at, { name: key, value });
}

function setLimit(container: Container, name: "cpu" | "memory", value: string | undefined): void {
  if (value === undefined) return;
  const { requests, ...resources } = container.resources ?? {};
  // A request above the new limit would be refused; the limit is what was asked for.
  const { [name]: _, ...others } = requests ?? {};
  container.resources = {
    ...resources,
    ...(Object.keys(others).length === 0 ? {} : { requests: others }),
    limits: { ...resources.limits, [name]: value },
  };
}

function setPullSecret(spec: RevisionSpec, text: string): void {
  const name = text.endsWith("-") ? text.slice(0, -1) : text;
  const others = (spec.imagePullSecrets ?? []).filter((secret) => secret.name !== name);
  spec.imagePullSecrets = text.endsWith("-") ? others : [...others, { name }];
}

function applySecret(spec: RevisionSpec, change: SecretChange): void {
  const { container } = spec;
  switch (change.type) {
    case "all":
      if (!(container.envFrom ?? []).some((from) => from.secretRef?.name === change.secret)) {
        container.envFrom = [...(container.envFrom ?? []), { secretRef: { name: change.secret } }];
      }
      return;
    case "env": {
      const entry = { name: change.name, valueFrom: { secretKeyRef: { name: change.secret, key: change.key } } };
      const env = container.env ?? [];
      const at = env.findIndex((one) => one.name === change.name);
      container.env = at === -1 ? [...env, entry] : env.with(at, entry);
      return;
    }
    case "mount":
      unmount(spec, change.path);
      mount(spec, change);
      return;
    case "remove":
      if (change.target.startsWith("/")) unmount(spec, change.target);
      else setEnv(container, { key: change.target });
      return;
  }
}

function mount(spec: RevisionSpec, { path, secret, key }: Extract<SecretChange, { type: "mount" }>): void {
  const taken = new Set((spec.volumes ?? []).map((volume) => volume.name));
  let number = 1;
  while (taken.has(`secret-${number}`)) number += 1;
  const name = `secret-${number}`;
  // With a key the path is the file itself; without one it is the directory of all keys.
  const file = path.slice(path.lastIndexOf("/") + 1);
  spec.volumes = [
    ...(spec.volumes ?? []),
    { name, secret: { secretName: secret, ...(key === undefined ? {} : { items: [{ key, path: file }] }) } },
  ];
  spec.container.volumeMounts = [
    ...(spec.container.volumeMounts ?? []),
    { name, mountPath: path, readOnly: true, ...(key === undefined ? {} : { subPath: file }) },
  ];
}

function unmount(spec: RevisionSpec, path: string): void {
  const gone = (spec.container.volumeMounts ?? []).find((one) => one.mountPath === path);
  if (gone === undefined) return;
  const mounts = (spec.container.volumeMounts ?? []).filter((one) => one !== gone);
  spec.container.volumeMounts = mounts;
  if (!mounts.some((one) => one.name === gone.name)) {
    spec.volumes = (spec.volumes ?? []).filter((volume) => volume.name !== gone.name);
  }
}
