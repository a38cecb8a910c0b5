/**
 * The examples' requests as a Kubernetes takes them of custom resources: every body has a type, names of fields are exact, and there is no strategic
 * merge; so what a PATCH makes of the object is found here, and sent as a merge patch with the version that was read, again where somebody else was
 * faster. The CLI does the same.
 */
import { parse } from "yaml";
import { objectSchema } from "../../../src/api/meta/object-schema.ts";
import { foldNames } from "../../../src/api/meta/schema.ts";
import type { JsonObject } from "../../../src/apiserver/json.ts";
import { strategicMerge } from "../../../src/apiserver/strategic-merge.ts";
import { mergePatch } from "../../../src/cli/merge-patch.ts";
import type { HttpClient } from "../../../src/client/http.ts";
import { clusterKinds } from "../../../src/kubernetes/manifests/crds.ts";
import type { Stage } from "./player.ts";

const mostAttempts = 10;

type Method = Parameters<HttpClient["request"]>[0]["method"];

/** A stage's `call` on a Kubernetes. */
export function customResourceCall({ request }: Pick<HttpClient, "request">): Stage["call"] {
  const send = (method: Method, path: string, type: string, body: unknown) =>
    request({ method, path, headers: { "content-type": type }, body: JSON.stringify(body) });
  return async (asked, path, document) => {
    const method = asked as Method;
    if (document === undefined) return request({ method, path });
    const schema = schemaAt(path);
    const body = foldNames(schema, parse(document)) as JsonObject;
    if (method !== "PATCH") return send(method, path, "application/json", body);
    for (let attempt = 1; ; attempt += 1) {
      const stored = JSON.parse((await request({ method: "GET", path })).text) as JsonObject & {
        metadata: { resourceVersion: string };
      };
      const patch = (mergePatch(stored, strategicMerge(stored, body, schema)) ?? {}) as { metadata?: object };
      const { resourceVersion } = stored.metadata;
      const versioned = { ...patch, metadata: { ...patch.metadata, resourceVersion } };
      const answer = await send(method, path, "application/merge-patch+json", versioned);
      if (answer.status !== 409 || attempt === mostAttempts) return answer;
    }
  };
}

/** That of the kind whose objects are at a path of the API. */
function schemaAt(path: string) {
  const plural = path.split("/")[6];
  const found = clusterKinds.find(({ kind }) => kind.plural === plural);
  if (found === undefined) throw new Error(`Nothing is known of ${path}`);
  return objectSchema(found.kind);
}
