/**
 * OpenAPI v3 from the kinds' schemas: one document per group and version, found through an index with hashes. From it kubectl
 * learns that the server validates fields, how lists merge, and what `explain` tells.
 */
import { createHash } from "node:crypto";

import type { Kind } from "../api/meta/kind.ts";
import { kindPaths } from "./openapi-paths.ts";
import { kindSchemas, metaSchemas } from "./openapi-schemas.ts";

/** One document, ready to send. */
interface OpenApiDocument {
  body: string;
  hash: string;
}

export interface OpenApi {
  /** `/openapi/v3`. */
  index: string;
  /** By the path below `/openapi/v3/`: `api/v1`, `apis/elafros.dev/v1alpha1`. */
  documents: ReadonlyMap<string, OpenApiDocument>;
}

/** Renders the documents; they don't change while the server runs. */
export function createOpenApi(kinds: readonly Kind[], version: string): OpenApi {
  const groups = Map.groupBy(kinds, ({ group, version: kindVersion }) =>
    group === "" ? `api/${kindVersion}` : `apis/${group}/${kindVersion}`,
  );
  const documents = new Map<string, OpenApiDocument>();
  for (const [path, members] of groups) {
    const body = JSON.stringify({
      openapi: "3.0.0",
      info: { title: "Elafros", version },
      paths: Object.assign({}, ...members.map(kindPaths)) as object,
      components: { schemas: Object.assign({}, metaSchemas, ...members.map(kindSchemas)) as object },
    });
    documents.set(path, { body, hash: createHash("sha512").update(body).digest("hex").toUpperCase() });
  }
  const paths = Object.fromEntries(
    [...documents].map(([path, { hash }]) => [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]),
  );
  return { index: JSON.stringify({ paths }), documents };
}
