/** Sources with a Dockerfile of their own. */
import type { SourceView } from "../../lib/source/view.ts";
import { type BuildPlan } from "./plan.ts";

export interface DockerfileOptions {
  /** Its path in the source; absent: `Dockerfile` or `Containerfile`. */
  dockerfile?: string;
  /** The stage that is built; absent: the last one. */
  target?: string;
  buildArgs: Record<string, string>;
  /** Given where the Dockerfile asks for them (`ARG NODE_RUN`), so that it can be built on this platform's base images. */
  offeredArgs: Record<string, string>;
}

/**
 * The plan for it.
 * @throws with a sentence, where there is no such file
 */
export async function planDockerfile(view: SourceView, options: DockerfileOptions): Promise<BuildPlan> {
  const { dockerfile, target, buildArgs, offeredArgs } = options;
  const names = dockerfile === undefined ? ["Dockerfile", "Containerfile"] : [dockerfile.replace(/^\.\//u, "")];
  for (const name of names) {
    const text = await view.read(name);
    if (text === undefined) continue;
    const asked = new Set([...text.matchAll(/^\s*ARG\s+(\w+)/gimu)].map((match) => match[1] ?? ""));
    const offered = Object.entries(offeredArgs).filter(([arg]) => asked.has(arg));
    return {
      dockerfile: text,
      files: {},
      ignore: [],
      buildArgs: { ...Object.fromEntries(offered), ...buildArgs },
      notes: [],
      ...(target === undefined ? {} : { target }),
    };
  }
  throw new Error(
    dockerfile === undefined
      ? "Cannot find a Dockerfile in the source. Add one, or give its path as _DOCKERFILE"
      : `Cannot find "${dockerfile}" in the source. Give the Dockerfile's path as _DOCKERFILE`,
  );
}
