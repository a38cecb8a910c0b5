import type { KubeObject } from "../../../../src/api/meta/types.ts";

/** Whether a selector of labels takes an object. One that says nothing takes nothing here. */
export function selects(
  selector: { matchLabels?: Record<string, string> } | undefined,
  { metadata: { labels = {} } }: KubeObject,
): boolean {
  const wanted = Object.entries(selector?.matchLabels ?? {});
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}
