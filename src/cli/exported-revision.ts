/** Which Revision of a service is taken elsewhere, and what it runs. */
import { conditionOf, explain } from "./conditions.ts";
import { FailureError } from "./errors.ts";
import type { Session } from "./factory.ts";
import { Configuration, Revision, Secret, ServiceAccount } from "./objects.ts";
import { optional } from "./optional.ts";
import { resolveRevision } from "./resolve-revision.ts";

/** The named Revision of a service, else the newest that was ready. @throws FailureError */
export async function chosenRevision(session: Session, service: string, given: string | undefined): Promise<Revision> {
  const { client, namespace } = session;
  if (given !== undefined) {
    return client.get(Revision, { namespace, name: await resolveRevision(session, given, service) });
  }
  const configuration = await optional(client.get(Configuration, { namespace, name: service }));
  if (configuration === undefined) {
    throw new FailureError(`There is no service "${service}" in namespace "${namespace}": see 'elafros services list'`);
  }
  const name = configuration.status?.latestReadyRevisionName ?? "";
  if (name !== "") return client.get(Revision, { namespace, name });
  const why = explain(conditionOf(configuration, "Ready"));
  throw new FailureError(
    `Service "${service}" has no revision that was ready${why === "" ? "" : ` (${why})`}: mend it first, or name one with --revision`,
  );
}

/** The exact image of a Revision. @throws FailureError where it isn't known yet */
export function imageOf({ metadata, status }: Revision): string {
  const { imageDigest } = status ?? {};
  if (imageDigest !== undefined) return imageDigest;
  throw new FailureError(
    `Revision "${metadata.name}" has no image yet: see 'elafros revisions describe ${metadata.name}', or name another with --revision`,
  );
}

/** The Secrets that its image is pulled with, as far as this user may read them. */
export async function pullSecretsOf({ client, namespace }: Session, { spec }: Revision): Promise<Secret[]> {
  const account = spec.serviceAccountName ?? "default";
  const of = await optional(client.get(ServiceAccount, { namespace, name: account })).catch(() => undefined);
  const names = [...(spec.imagePullSecrets ?? []), ...(of?.imagePullSecrets ?? [])].map(({ name }) => name);
  const found = await Promise.all(
    [...new Set(names)].map((name) => client.get(Secret, { namespace, name }).catch(() => undefined)),
  );
  return found.filter((secret) => secret !== undefined);
}
