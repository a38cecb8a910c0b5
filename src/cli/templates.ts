/**
 * Where build templates are: in the namespace of the service, and the platform's own in a namespace for all.
 */
import { isReason } from "../api/meta/errors.ts";
import { sharedTemplates, templateName } from "../api/build-names.ts";
import { FailureError } from "./errors.ts";
import type { Session } from "./factory.ts";
import { BuildTemplate } from "./objects.ts";

/** All templates that a service in the session's namespace may use, its own first. */
export async function usableTemplates({ client, namespace }: Session): Promise<BuildTemplate[]> {
  const own = await client.list(BuildTemplate, { namespace });
  if (namespace === sharedTemplates) return own.items;
  // Who may not read the platform's has their own.
  const shared = await client.list(BuildTemplate, { namespace: sharedTemplates }).catch((error: unknown) => {
    if (isReason(error, "Forbidden")) return { items: [] };
    throw error;
  });
  return [...own.items, ...shared.items];
}

/** The template that a name, or `NAMESPACE/NAME`, means, as builds find it. @throws FailureError that says which there are */
export async function findTemplate(session: Session, given: string): Promise<BuildTemplate> {
  const [written = "", from] = given.split("/").toReversed();
  const templates = (await usableTemplates(session)).filter(
    ({ metadata }) => from === undefined || metadata.namespace === from,
  );
  const name = templateName(written);
  const found = templates.find((one) => one.metadata.name === name);
  if (found !== undefined) return found;
  const names = [...new Set(templates.map((one) => one.metadata.name))].sort();
  throw new FailureError(
    `There is no build template "${given}" in namespace "${session.namespace}" or "${sharedTemplates}": ${names.length === 0 ? "there is none at all" : `there are ${names.join(", ")}`}`,
  );
}
