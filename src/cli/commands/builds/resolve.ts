import { configurationLabel } from "../../../api/labels.ts";
import { FailureError, UsageError } from "../../errors.ts";
import type { Session } from "../../factory.ts";
import { Build, Revision } from "../../objects.ts";
import { resolveRevision } from "../../resolve-revision.ts";

/** The name of a Build from its name, or from the Id of a Revision that runs its image. */
export async function resolveBuild(session: Session, given: string, service: string | undefined): Promise<string> {
  const name = await resolveRevision(session, given, service);
  if (name === given) return name;
  const revision = await session.client.get(Revision, { namespace: session.namespace, name });
  if (revision.spec.buildName === undefined) {
    throw new FailureError(`Revision "${name}" was not built: its image "${revision.spec.container.image}" was given`);
  }
  return revision.spec.buildName;
}

/** The build that a command is about: the one given, else the newest of the service. */
export async function chooseBuild(
  session: Session,
  { name, service }: { name: string | undefined; service: string | undefined },
): Promise<string> {
  if (name !== undefined) return resolveBuild(session, name, service);
  if (service === undefined) {
    throw new UsageError("No build is given: name it, or the service with --service; see 'elafros builds list'");
  }
  const builds = await session.client.list(Build, {
    namespace: session.namespace,
    labelSelector: `${configurationLabel}=${service}`,
  });
  const newest = builds.items
    .toSorted((a, b) => (a.metadata.creationTimestamp ?? "").localeCompare(b.metadata.creationTimestamp ?? ""))
    .at(-1);
  if (newest === undefined) {
    throw new FailureError(
      `Service "${service}" has no builds: deploy it from source with 'elafros deploy --source .'`,
    );
  }
  return newest.metadata.name;
}
