/** What must be written so that the shipped templates are as they should be. */
import { isDeepStrictEqual } from "node:util";
import type { BuildTemplate } from "../../api/build-template.ts";
import type { ConfigMap } from "../../api/config-map.ts";
import { baseImagesOf, makeBaseImages } from "./base-images.ts";
import { makeTemplates, shippedLabel } from "./templates.ts";

export type TemplateAction =
  | { do: "create-base-images"; object: ConfigMap }
  | { do: "create" | "update"; object: BuildTemplate }
  | { do: "delete"; name: string };

/**
 * The actions: the ConfigMap where there is none, for it is the operator's from then on; each shipped template that isn't as rendered; and away with those that aren't
 * shipped any more. Templates of other names are their makers'.
 */
export function planTemplates(baseImages: ConfigMap | undefined, present: readonly BuildTemplate[]): TemplateAction[] {
  const actions: TemplateAction[] =
    baseImages === undefined ? [{ do: "create-base-images", object: makeBaseImages() }] : [];
  const wanted = makeTemplates(baseImagesOf(baseImages));
  const there = new Map(present.map((template) => [template.metadata.name, template]));
  for (const object of wanted) {
    const now = there.get(object.metadata.name);
    if (now === undefined) actions.push({ do: "create", object });
    else if (!isAsWanted(now, object)) actions.push({ do: "update", object: merged(now, object) });
  }
  const names = new Set(wanted.map(({ metadata }) => metadata.name));
  for (const { metadata } of present) {
    if (metadata.labels?.[shippedLabel] === "true" && !names.has(metadata.name))
      actions.push({ do: "delete", name: metadata.name });
  }
  return actions;
}

/** Whether the spec is the same, and all labels and annotations of ours are there; others may stand beside them. */
function isAsWanted(now: BuildTemplate, wanted: BuildTemplate): boolean {
  const has = (mine: Record<string, string> = {}, theirs: Record<string, string> = {}) =>
    Object.entries(mine).every(([key, value]) => theirs[key] === value);
  return (
    isDeepStrictEqual(now.spec, wanted.spec) &&
    has(wanted.metadata.labels, now.metadata.labels) &&
    has(wanted.metadata.annotations, now.metadata.annotations)
  );
}

function merged(now: BuildTemplate, { spec, metadata }: BuildTemplate): BuildTemplate {
  return {
    ...now,
    metadata: {
      ...now.metadata,
      labels: { ...now.metadata.labels, ...metadata.labels },
      annotations: { ...now.metadata.annotations, ...metadata.annotations },
    },
    spec,
  };
}
