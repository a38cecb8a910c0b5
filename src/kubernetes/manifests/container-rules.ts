/** What a cluster's API server holds of containers and build steps: `src/api/container.validation.ts` and `probe.validation.ts`. */
import { defaultCapabilities } from "../../lib/capabilities.ts";
import type { Overlay } from "./crd-schema.ts";
import {
  absolutePath,
  dataKey,
  dns1123Subdomain,
  envName,
  exactlyOne,
  formAt,
  image,
  noNul,
  orEmpty,
  orOpen,
  quantityAt,
  relativePath,
  token,
} from "./forms.ts";

const subdomain = orEmpty(dns1123Subdomain.pattern);
const qualified =
  "([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const fieldPath = `^$|^(metadata\\.namespace|spec\\.serviceAccountName|metadata\\.(labels|annotations)\\['${qualified}'\\])$`;

const outside = (roots: readonly string[], besides = "") =>
  `!(${roots.map((root) => `self == '${root}' || self.startsWith('${root}/')`).join(" || ")})${besides}`;

/**
 * Rules of what a container of a service and a step of a build at `path` have in common.
 * @param open whether it is a step of a BuildTemplate, in which placeholders stand for anything
 */
export function processRules(path: string, open = false): Overlay[] {
  const opened = (pattern: string) => (open ? orOpen(pattern) : pattern);
  const form = (at: string, of: { pattern: string; words: string }) =>
    formAt(`${path}.${at}`, { ...of, pattern: opened(of.pattern) });
  const pattern = (at: string, text: string): Overlay => ({ at: `${path}.${at}`, pattern: text });
  const rule = (at: string, text: string, message: string): Overlay => ({
    at: `${path}.${at}`,
    rules: [{ rule: text, message }],
  });
  return [
    form("image", image),
    form("workingDir", absolutePath),
    pattern("command[]", noNul),
    pattern("args[]", noNul),
    pattern("env[].name", envName),
    pattern("env[].value", noNul),
    { at: `${path}.env[].valueFrom`, rules: [exactlyOne(["configMapKeyRef", "fieldRef", "secretKeyRef"])] },
    rule(
      "env[]",
      "!has(self.valueFrom) || !has(self.value) || self.value == ''",
      "valueFrom can't be set where value isn't empty",
    ),
    pattern("env[].valueFrom.fieldRef.fieldPath", fieldPath),
    ...["secretKeyRef", "configMapKeyRef"].flatMap((source) => [
      pattern(`env[].valueFrom.${source}.name`, subdomain),
      pattern(`env[].valueFrom.${source}.key`, dataKey),
    ]),
    { at: `${path}.envFrom[]`, rules: [exactlyOne(["configMapRef", "secretRef"])] },
    pattern("envFrom[].prefix", orEmpty(envName)),
    pattern("envFrom[].secretRef.name", subdomain),
    pattern("envFrom[].configMapRef.name", subdomain),
    ...["limits", "requests"].flatMap((name) => [
      rule(`resources.${name}`, "self.all(key, key in ['cpu', 'memory'])", "can only name cpu and memory"),
      quantityAt(`${path}.resources.${name}{}`, name === "limits" ? "limit" : "amount"),
    ]),
    pattern("volumeMounts[].mountPath", opened(absolutePath.pattern)),
    rule(
      "volumeMounts[].mountPath",
      `self != '/' && (${outside(["/proc", "/sys", "/dev"], " || self == '/dev/shm' || self.startsWith('/dev/shm/')")})`,
      "must not be the root, and not be in /proc, /sys or /dev (but /dev/shm), which the system makes",
    ),
    pattern("volumeMounts[].subPath", opened(orEmpty(relativePath))),
    rule("securityContext.allowPrivilegeEscalation", "!self", "no process of an instance ever gains privileges"),
    rule(
      "securityContext",
      "!(has(self.runAsNonRoot) && self.runAsNonRoot && has(self.runAsUser) && self.runAsUser == 0)",
      "runAsUser 0 is root, which runAsNonRoot excludes",
    ),
    pattern("securityContext.capabilities.add[]", `^(CAP_)?(${defaultCapabilities.join("|")})$`),
    pattern("securityContext.capabilities.drop[]", "^[A-Z][A-Z0-9_]*$"),
  ];
}

const probes = ["livenessProbe", "readinessProbe", "startupProbe"];
/** A port as a text: its number, up to 65535, or the name of the container's port. */
const portText =
  "^$|^0*([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$|^(http1|h2c)$";
const port = { pattern: portText, minimum: 0, maximum: 65_535 };

/** A probe's port, where it is a name, is the container's port. Texts of numbers or names have no maximum in CEL, so constants are compared. */
function namedPort(probe: string, handler: string): string {
  const port = `self.${probe}.${handler}.port`;
  const present = `has(self.${probe}) && has(self.${probe}.${handler}) && has(${port})`;
  const names = ["http1", "h2c"].map(
    (name) =>
      `(${port} != '${name}' || (has(self.ports) && self.ports.exists(one, has(one.name) && one.name == '${name}')))`,
  );
  return `!(${present}) || (${names.join(" && ")})`;
}

function probeRules(path: string): Overlay[] {
  const headers = `${path}.httpGet.httpHeaders[]`;
  return [
    { at: path, rules: [exactlyOne(["exec", "grpc", "httpGet", "tcpSocket"])] },
    { at: `${path}.httpGet.port`, ...port },
    { at: `${path}.tcpSocket.port`, ...port },
    formAt(`${path}.httpGet.path`, {
      pattern: "^/[!-~]*$",
      words: "must be a path that begins with / and is percent-encoded",
    }),
    { at: `${headers}.name`, pattern: orEmpty(token) },
    formAt(`${headers}.value`, {
      pattern: "^[\\t -~\\x{80}-\\x{ff}]*$",
      words: "must be the value of an HTTP header field: no line breaks",
    }),
    { at: `${path}.exec.command[]`, pattern: noNul },
  ];
}

/** Rules of the container at `path`. */
export function containerRules(path: string): Overlay[] {
  const once = { rule: "self == 1", message: "must be 1: one success decides" };
  return [
    ...processRules(path),
    {
      at: `${path}.env[].name`,
      rules: [
        {
          rule: "!(self in ['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'])",
          message:
            "is set by the platform, as are PORT, K_SERVICE, K_CONFIGURATION and K_REVISION: choose another name",
        },
      ],
    },
    {
      at: `${path}.volumeMounts`,
      rules: [
        {
          rule: "self.all(one, self.exists_one(other, other.mountPath == one.mountPath || other.mountPath == one.mountPath + '/' || other.mountPath + '/' == one.mountPath))",
          message: "must not have the same mountPath twice",
        },
      ],
    },
    { at: `${path}.ports`, rules: [{ rule: "size(self) <= 1", message: "must have at most 1 item" }] },
    ...probes.flatMap((probe) => probeRules(`${path}.${probe}`)),
    { at: `${path}.livenessProbe.successThreshold`, rules: [once] },
    { at: `${path}.startupProbe.successThreshold`, rules: [once] },
    {
      at: path,
      rules: probes.map((probe) => ({
        rule: ["httpGet", "tcpSocket"].map((handler) => `(${namedPort(probe, handler)})`).join(" && "),
        message: `${probe} must name its port by number, or by the name of the container's port`,
      })),
    },
    formAt(`${path}.terminationMessagePath`, absolutePath),
    {
      at: `${path}.terminationMessagePath`,
      rules: [
        {
          rule: `!self.endsWith('/') && ${outside(["/proc", "/sys"])}`,
          message: "must be the path of a file, and not be in /proc or /sys, which the system makes",
        },
      ],
    },
  ];
}
