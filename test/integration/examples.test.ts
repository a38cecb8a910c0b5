/**
 * The manifests of `examples/`, and those in the documents, against both servers of the API: each is accepted whole, with no warning about a
 * field that it doesn't know. Nothing is stored, so order and repetition don't matter.
 */
import { readFile, readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { allKinds } from "../../src/api/kinds.ts";
import { apiVersionOf } from "../../src/api/meta/kind.ts";
import { apiSides } from "../support/api-sides.ts";

const root = resolve(import.meta.dirname, "../..");

interface Manifest {
  /** Where it stands, for the test's title. */
  title: string;
  object: { apiVersion: string; kind: string; metadata: { name: string; namespace?: string } };
}

function manifestsIn(text: string, source: string): Manifest[] {
  return parseAllDocuments(text).map((document) => {
    const object = document.toJS() as Manifest["object"];
    return { title: `${source}: ${object.kind} ${object.metadata.name}`, object };
  });
}

/** The path of the collection that an object of this manifest is created in. */
function collectionOf({ apiVersion, kind, metadata }: Manifest["object"]): string {
  const found = allKinds.find((each) => each.kind === kind && apiVersionOf(each) === apiVersion);
  if (found === undefined) throw new Error(`No kind ${kind} in ${apiVersion}`);
  const base = found.group === "" ? "/api/v1" : `/apis/${apiVersion}`;
  return `${base}${found.namespaced ? `/namespaces/${metadata.namespace ?? "default"}` : ""}/${found.plural}`;
}

const files = (await readdir(join(root, "examples"))).filter((name) => name.endsWith(".yaml"));
const guides = ["docs/api.md", "docs/rollouts.md", "docs/scaling.md"];
const manifests = [
  ...(
    await Promise.all(
      files.map(async (name) => manifestsIn(await readFile(join(root, "examples", name), "utf8"), name)),
    )
  ).flat(),
  ...(
    await Promise.all(
      guides.map(async (name) => {
        const text = await readFile(join(root, name), "utf8");
        return [...text.matchAll(/^```yaml\n(apiVersion:.*?)^```$/gms)].flatMap(([, one = ""]) =>
          manifestsIn(one, name),
        );
      }),
    )
  ).flat(),
];

test("there are manifests to look at, of every kind that users write", () => {
  const kinds = new Set(manifests.map(({ object }) => object.kind));
  for (const kind of ["Configuration", "Route", "Build", "BuildTemplate", "Secret", "ConfigMap", "RoleBinding"])
    expect(kinds).toContain(kind);
  expect(files.length).toBeGreaterThan(5);
});

describe.each(apiSides)("the API server %s", (_, open) => {
  test("accepts each of them, strictly", async () => {
    const bench = await open();
    const refused: string[] = [];
    for (const { title, object } of manifests) {
      const path = `${collectionOf(object)}?dryRun=All&fieldValidation=Strict`;
      const answer = await bench.ask("POST", path, { body: object });
      if (answer.status !== 201) refused.push(`${title}: ${answer.status} ${answer.text}`);
      else if (answer.headers["warning"] !== undefined) refused.push(`${title}: ${String(answer.headers["warning"])}`);
    }
    expect(refused).toEqual([]);
  });

  test("refuses one of them with a field that doesn't exist, so that this can fail", async () => {
    const bench = await open();
    const [first] = manifests;
    const object = { ...first?.object, spec: { rollout: { traffic: [] } }, nonsense: true };
    const path = "/apis/elafros.dev/v1alpha1/namespaces/default/routes?dryRun=All&fieldValidation=Strict";
    expect((await bench.ask("POST", path, { body: object })).status).toBeGreaterThanOrEqual(400);
  });
});
