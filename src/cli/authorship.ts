/**
 * Who wrote an object. The server of one machine notes it by itself; a Kubernetes knows no such annotations, so there this program writes them
 * (`elafros.dev/creator`, `elafros.dev/last-modifier`), by the name that the server knows the user by.
 */
import { X509Certificate } from "node:crypto";
import { creatorAnnotation, lastModifierAnnotation } from "../api/labels.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { HttpClient } from "../client/http.ts";
import type { Connection } from "../client/kubeconfig.ts";
import { isKubernetes } from "./server-kind.ts";

/** Groups whose objects say who wrote them. */
const groups: readonly string[] = ["elafros.dev", "build.dev"];
/** From the newest Kubernetes to 1.26, where it is off unless an administrator wants it. */
const reviewVersions = ["v1", "v1beta1", "v1alpha1"] as const;

/** A client that writes the same objects with their author's name, where the server is a Kubernetes. The server is asked once, before the first write. */
export function signing(client: HttpClient, connection: Connection): HttpClient {
  let asked: Promise<string | undefined> | undefined;
  const author = () => (asked ??= authorOf(client, connection));
  return {
    ...client,
    async create(kind, object, options) {
      const name = groups.includes(kind.group) ? await author() : undefined;
      const annotations = { [creatorAnnotation]: name ?? "", [lastModifierAnnotation]: name ?? "" };
      return client.create(kind, name === undefined ? object : annotated(object, annotations), options);
    },
    async patch(kind, key, patch, options) {
      const changes = patch.type === "merge" && patch.subresource === undefined && hasSpec(patch.body);
      const name = changes && groups.includes(kind.group) ? await author() : undefined;
      if (name === undefined) return client.patch(kind, key, patch, options);
      const body = annotated(patch.body as KubeObject, { [lastModifierAnnotation]: name });
      return client.patch(kind, key, { ...patch, body }, options);
    },
  };
}

function hasSpec(body: unknown): boolean {
  return typeof body === "object" && body !== null && "spec" in body;
}

function annotated<T extends Partial<KubeObject>>(object: T, annotations: Record<string, string>): T {
  const { metadata } = object;
  return { ...object, metadata: { ...metadata, annotations: { ...metadata?.annotations, ...annotations } } };
}

/** The user's name; undefined where the server needs none, or nothing tells it. */
async function authorOf(client: HttpClient, connection: Connection): Promise<string | undefined> {
  if (!(await isKubernetes(client))) return undefined;
  for (const version of reviewVersions) {
    const apiVersion = `authentication.k8s.io/${version}`;
    const body = { apiVersion, kind: "SelfSubjectReview" };
    const answer = await client.request({ method: "POST", path: `/apis/${apiVersion}/selfsubjectreviews`, body });
    if (answer.status === 201) return reviewed(answer.text);
  }
  return (await certifiedName(connection)) ?? (await tokenName(connection));
}

function reviewed(text: string): string | undefined {
  const { status } = JSON.parse(text) as { status?: { userInfo?: { username?: string } } };
  return status?.userInfo?.username;
}

/** The common name of the client's certificate, which is the user's name on a Kubernetes. */
async function certifiedName({ cert, certificate }: Connection): Promise<string | undefined> {
  const pem = cert ?? (await certificate?.())?.cert;
  if (pem === undefined) return undefined;
  return /^CN=(.+)$/mu.exec(new X509Certificate(pem).subject)?.[1];
}

/** The subject of a token (RFC 7519 §4.1.2): the name of a ServiceAccount, and what most identity providers call a user. */
async function tokenName({ token }: Connection): Promise<string | undefined> {
  const [, payload = ""] = ((await token?.()) ?? "").split(".");
  try {
    const { sub } = JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as { sub?: unknown };
    return typeof sub === "string" && sub !== "" ? sub : undefined;
  } catch {
    // A token of another form tells nothing.
    return undefined;
  }
}
