/** What `--build-arg` may set: the parameters of the template that builds. One that nothing reads would be lost without a word. */
import { sharedTemplates, templateName } from "../../api/build-names.ts";
import { UsageError } from "../errors.ts";
import type { Session } from "../factory.ts";
import type { KeyValue } from "../options.ts";
import { usableTemplates } from "../templates.ts";

/** The parameter of Dockerfile templates that sets the `ARG`s of the Dockerfile. */
const dockerfileArgs = "_BUILD_ARGS";

/**
 * Looks whether a template reads what was said on the command line. One that may not be read is left to the server.
 * @param template as it was named, or as it was detected: then it is the platform's
 * @throws UsageError that says which parameters there are
 */
export async function checkBuildArgs(
  session: Session,
  args: readonly KeyValue[],
  template: { named?: string | undefined; detected?: string | undefined },
): Promise<void> {
  if (args.length === 0) return;
  const given = template.named ?? `${sharedTemplates}/${template.detected ?? ""}`;
  const [written = "", from] = given.split("/").toReversed();
  const found = (await usableTemplates(session)).find(
    ({ metadata }) => metadata.name === templateName(written) && (from ?? metadata.namespace) === metadata.namespace,
  );
  if (found === undefined) return;
  const parameters = (found.spec.parameters ?? []).map(({ name }) => name);
  const steps = JSON.stringify(found.spec.steps);
  for (const { key, value } of args) {
    // Steps may also use what is no declared parameter.
    if (parameters.includes(key) || steps.includes(`\${${key}}`)) continue;
    const has = parameters.length === 0 ? "it has none" : `it has ${parameters.join(", ")}`;
    const way = parameters.includes(dockerfileArgs)
      ? `. ARG ${key} of the Dockerfile is set by --build-arg ${dockerfileArgs}=${key}=${value}`
      : "";
    throw new UsageError(
      `--build-arg ${key}: build template "${found.metadata.name}" has no parameter "${key}": ${has}${way}`,
    );
  }
}
