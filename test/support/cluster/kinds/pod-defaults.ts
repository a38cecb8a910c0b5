/** What an API server fills in of a Pod's spec, as recorded. */
import { isObject, type JsonObject } from "../../../../src/apiserver/json.ts";

/** Sets the fields of `object` that are absent. */
export function fill(object: JsonObject, values: JsonObject): void {
  for (const [name, value] of Object.entries(values)) if (object[name] === undefined) object[name] = value;
}

/** The list in a field; empty where there is none. */
export function objectsOf(object: JsonObject, field: string): JsonObject[] {
  const list = object[field];
  return Array.isArray(list) ? list.filter(isObject) : [];
}

const probeFields = ["readinessProbe", "livenessProbe", "startupProbe"];

/** Completes the spec of a Pod or of a Pod template in place. */
export function fillPodSpec(spec: JsonObject): void {
  for (const container of [...objectsOf(spec, "containers"), ...objectsOf(spec, "initContainers")]) {
    const image = typeof container["image"] === "string" ? container["image"] : "";
    const latest = /:latest$|^[^:@]*(?:\/[^:@]*)?$/.test(image.replace(/^[^/]*:\d+\//, ""));
    fill(container, {
      resources: {},
      terminationMessagePath: "/dev/termination-log",
      terminationMessagePolicy: "File",
      imagePullPolicy: latest ? "Always" : "IfNotPresent",
    });
    fillRequests(container["resources"]);
    for (const port of objectsOf(container, "ports")) fill(port, { protocol: "TCP" });
    for (const field of probeFields) if (isObject(container[field])) fillProbe(container[field]);
  }
  fill(spec, {
    restartPolicy: "Always",
    terminationGracePeriodSeconds: 30,
    dnsPolicy: "ClusterFirst",
    securityContext: {},
    schedulerName: "default-scheduler",
  });
  if (typeof spec["serviceAccountName"] === "string") fill(spec, { serviceAccount: spec["serviceAccountName"] });
}

/** Limits stand for the requests that aren't said. */
function fillRequests(resources: unknown): void {
  if (!isObject(resources) || !isObject(resources["limits"])) return;
  resources["requests"] = { ...resources["limits"], ...(isObject(resources["requests"]) ? resources["requests"] : {}) };
}

function fillProbe(probe: JsonObject): void {
  if (isObject(probe["httpGet"])) fill(probe["httpGet"], { path: "/", scheme: "HTTP" });
  fill(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 });
}

/** What is filled in of a Pod besides what its template has. */
export function fillPod(spec: JsonObject): void {
  fillPodSpec(spec);
  fill(spec, { serviceAccountName: "default", serviceAccount: "default", priority: 0, enableServiceLinks: true });
  fill(spec, { preemptionPolicy: "PreemptLowerPriority", tolerations: [] });
  const tolerations = objectsOf(spec, "tolerations");
  for (const key of ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"]) {
    if (tolerations.some((one) => one["key"] === key)) continue;
    tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 });
  }
  spec["tolerations"] = tolerations;
}

/** The class of service that a Pod's resources come to. */
export function qosClass(spec: JsonObject): string {
  const resources = objectsOf(spec, "containers").map(({ resources }) => (isObject(resources) ? resources : {}));
  const named = (one: JsonObject, field: string): string[] => Object.keys(isObject(one[field]) ? one[field] : {});
  if (resources.every((one) => named(one, "requests").length === 0 && named(one, "limits").length === 0)) {
    return "BestEffort";
  }
  const guaranteed = resources.every(
    (one) =>
      named(one, "limits").length >= 2 && JSON.stringify(one["requests"] ?? {}) === JSON.stringify(one["limits"] ?? {}),
  );
  return guaranteed ? "Guaranteed" : "Burstable";
}
