/** Whether a cluster has what Elafros needs. Asks, and changes nothing. */
import { isReason } from "../../api/meta/errors.ts";
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { HttpClient } from "../../client/http.ts";
import { defaultInstall } from "../../kubernetes/manifests/names.ts";
import type { Finding } from "../types.ts";

/** The oldest Kubernetes that the kinds' rules are made for. */
const oldest = { major: 1, minor: 26 };

interface Node extends KubeObject {
  status?: {
    conditions?: { type: string; status: string }[];
    nodeInfo?: { architecture?: string; operatingSystem?: string };
  };
}
const Node = foreignKind<Node>({ group: "", version: "v1", kind: "Node", plural: "nodes", namespaced: false });
const Service = foreignKind<KubeObject>({ group: "", version: "v1", kind: "Service", plural: "services" });

/** What installing writes that only an administrator may. */
const rights = [
  { group: "apiextensions.k8s.io", resource: "customresourcedefinitions" },
  { group: "rbac.authorization.k8s.io", resource: "clusterroles" },
  { group: "", resource: "namespaces" },
  { group: "apps", resource: "deployments", namespace: defaultInstall.namespace },
] as const;

/** Rejects with ApiError where the server can't be asked at all. */
export async function clusterDoctor(client: HttpClient): Promise<Finding[]> {
  return [
    await versionFinding(client),
    await rightsFinding(client),
    await nodesFinding(client),
    await dnsFinding(client),
  ];
}

async function versionFinding(client: HttpClient): Promise<Finding> {
  const answer = await client.request({ method: "GET", path: "/version" });
  const { gitVersion = "" } = answer.status === 200 ? (JSON.parse(answer.text) as { gitVersion?: string }) : {};
  const [, major, minor] = /^v?(\d+)\.(\d+)/u.exec(gitVersion) ?? [];
  const isOld = Number(major) === oldest.major && Number(minor) < oldest.minor;
  // A Kubernetes that somebody built may not say which it is.
  const unknown = major === undefined || Number(major) === 0;
  const message = unknown ? `it doesn't say which version it is (${gitVersion})` : gitVersion;
  const fix = `Use a Kubernetes ${oldest.major}.${oldest.minor} or newer`;
  return { check: "kubernetes", ok: !isOld && !unknown, message, fix, required: isOld };
}

async function rightsFinding(client: HttpClient): Promise<Finding> {
  const missing: string[] = [];
  for (const { resource, ...where } of rights) {
    const spec = { resourceAttributes: { ...where, resource, verb: "create" } };
    const body = { apiVersion: "authorization.k8s.io/v1", kind: "SelfSubjectAccessReview", spec };
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    const answer = await client.request({ method: "POST", path, body });
    const { status } = answer.status < 300 ? (JSON.parse(answer.text) as { status?: { allowed?: boolean } }) : {};
    if (status?.allowed !== true) missing.push(resource);
  }
  const ok = missing.length === 0;
  const message = ok ? "you may install" : `you may not create ${missing.join(", ")}, which installing needs`;
  return { check: "rights", ok, message, fix: "Install as an administrator of the cluster", required: true };
}

async function nodesFinding(client: HttpClient): Promise<Finding> {
  const check = "nodes";
  const fix = "Add a Linux node, or mend those that aren't ready: kubectl get nodes";
  let nodes: Node[];
  try {
    nodes = (await client.list(Node)).items;
  } catch (error) {
    if (!isReason(error, "Forbidden")) throw error;
    return { check, ok: false, message: error.message, required: false };
  }
  const ready = nodes.filter(({ status }) =>
    status?.conditions?.some(({ type, status: is }) => type === "Ready" && is === "True"),
  );
  const kinds = ready.map(({ status }) => status?.nodeInfo?.architecture ?? "").filter((name) => name !== "");
  const of = kinds.length === 0 ? "" : ` (${[...new Set(kinds)].join(", ")})`;
  return {
    check,
    ok: ready.length > 0,
    message: `${ready.length} of ${nodes.length} are ready${of}`,
    fix,
    required: true,
  };
}

/** Gateways look for the controllers by name. */
async function dnsFinding(client: HttpClient): Promise<Finding> {
  const check = "dns";
  const found = await client.get(Service, { namespace: "kube-system", name: "kube-dns" }).catch((error: unknown) => {
    if (isReason(error, "NotFound", "Forbidden")) return undefined;
    throw error;
  });
  if (found !== undefined) return { check, ok: true, message: "there is a Service kube-dns", required: false };
  const message = "no Service kube-dns is seen in kube-system: gateways find the controllers by the cluster's DNS";
  return { check, ok: false, message, fix: "See that Pods can resolve names of Services", required: false };
}
