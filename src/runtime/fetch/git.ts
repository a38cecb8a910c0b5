/**
 * Fetches a git repository: exactly the commit that is wanted, without history where the server can do that, with its submodules. Nothing of git itself
 * is left in the source: `.git` is removed when the commit is known.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

import { SourceFault } from "../../lib/source/errors.ts";
import { type GitUrl, parseGitUrl, shownUrl } from "../../lib/source/git-url.ts";
import type { BuildSource, SourceFound } from "../builds.ts";
import { safeBelow } from "../oci/files.ts";
import type { FetchContext } from "./context.ts";
import { gitFault, refusesCommits, refusesShallow, wantsSha256 } from "./git-errors.ts";
import { type Git, type GitResult, prepareGit } from "./git-run.ts";
import { readTree, type Submodule } from "./git-tree.ts";
import { submoduleUrl } from "./submodule-url.ts";
import { readWanted, type Wanted } from "./wanted.ts";

type GitSource = Extract<BuildSource, { type: "git" }>;

/** The most submodules of one source. */
export const mostSubmodules = 200;

interface Fetching {
  ctx: FetchContext;
  git: Git;
  /** Submodules so far. */
  submodules: number;
}

/** Fetches into the workspace. @throws SourceFault */
export async function fetchGit(source: GitSource, ctx: FetchContext): Promise<SourceFound> {
  const repository = parseGitUrl(source.url);
  checkFile(repository, ctx);
  const wanted = readWanted(source);
  // A repository from elsewhere must not lead its submodules to this machine.
  const remote = ["https", "http", "ssh"] as const;
  const git = await prepareGit(ctx, repository.transport === "file" ? [...remote, "file"] : remote);
  const shown = shownUrl(repository.url);
  ctx.log(`Fetching ${shown}, ${wanted.shown}`);
  const commit = await fetchInto({ ctx, git, submodules: 0 }, { repository, wanted }, ctx.workspace);
  ctx.log(`Fetched commit ${commit}`);
  return { repository: shown, context: commit };
}

/** Repositories of this machine must lie where the operator allows it. */
function checkFile({ transport, path, url }: GitUrl, { fileSources }: FetchContext): void {
  if (transport !== "file") return;
  if (fileSources.some((root) => `${path.replace(/\/*$/, "")}/`.startsWith(`${root.replace(/\/*$/, "")}/`))) return;
  throw new SourceFault(
    `Repository ${JSON.stringify(url)} is on the server's own disk, where only directories may be used that its operator allows: elafros up --allow-file-sources DIR`,
  );
}

interface Asked {
  repository: GitUrl;
  wanted: Wanted;
}

/** Fetches one repository into a directory that is empty; gives the commit. */
async function fetchInto(state: Fetching, asked: Asked, directory: string): Promise<string> {
  const { git, ctx } = state;
  await receive(state, asked, directory);
  const commit = await resolve(git, asked, directory);
  const shown = `repository ${JSON.stringify(shownUrl(asked.repository.url))}`;
  const submodules = await readTree(git, { directory, commit, shown }, ctx.budget);
  const checkout = await git.run(directory, ["checkout", "--quiet", "--force", "--detach", commit, "--"]);
  if (!checkout.ok) throw gitFault(checkout.stderr, { ...asked, wanted: asked.wanted.shown });
  await rm(join(directory, ".git"), { recursive: true });
  for (const submodule of submodules) await fetchSubmodule(state, { parent: asked.repository, submodule }, directory);
  return commit;
}

/** Gets the objects: the wanted commit alone where the server gives it, else everything. */
async function receive({ git, ctx }: Fetching, { repository, wanted }: Asked, directory: string): Promise<void> {
  let format = wanted.sha256 ? "sha256" : "sha1";
  let depth = ["--depth=1"];
  let refs = wanted.refs;
  const fail = (said: string) => gitFault(said, { repository, wanted: wanted.shown });
  for (;;) {
    await rm(join(directory, ".git"), { recursive: true, force: true });
    const made = await git.run(directory, ["init", "--quiet", `--object-format=${format}`, "."]);
    if (!made.ok) throw fail(made.stderr);
    const fetched = await fetchRefs(git, directory, { url: repository.url, refs, depth });
    if (fetched.ok) return;
    if (wantsSha256(fetched.stderr) && format === "sha1") format = "sha256";
    else if (refusesShallow(fetched.stderr) && depth.length > 0) depth = [];
    else if (refusesCommits(fetched.stderr) && refs !== everything && wanted.commit !== undefined) {
      ctx.log("The server doesn't give single commits: fetching all branches and tags");
      refs = everything;
      depth = [];
    } else throw fail(fetched.stderr);
  }
}

/** Branches and tags, where a commit must be among them. */
const everything = ["+refs/heads/*:refs/elafros/heads/*", "+refs/tags/*:refs/elafros/tags/*"];

function fetchRefs(
  git: Git,
  directory: string,
  { url, refs, depth }: { url: string; refs: readonly string[]; depth: readonly string[] },
): Promise<GitResult> {
  const names = refs.length === 0 ? everything : refs;
  const whole = refs.length === 0 ? [] : depth;
  const options = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-commit-graph", ...whole];
  return git.run(directory, ["fetch", ...options, "--", url, ...names]);
}

async function resolve(git: Git, { repository, wanted }: Asked, directory: string): Promise<string> {
  const name = wanted.commit ?? "FETCH_HEAD";
  const found = await git.run(directory, ["rev-parse", "--verify", "--quiet", `${name}^{commit}`], { quiet: true });
  if (found.ok) return found.stdout.trim();
  throw gitFault("no such remote ref", { repository, wanted: wanted.shown });
}

async function fetchSubmodule(
  state: Fetching,
  { parent, submodule }: { parent: GitUrl; submodule: Submodule },
  directory: string,
): Promise<void> {
  const { ctx } = state;
  state.submodules += 1;
  const name = JSON.stringify(submodule.path);
  if (state.submodules > mostSubmodules) {
    throw new SourceFault(`The repository has more than ${mostSubmodules} submodules, the limit of a source`);
  }
  if (submodule.url === undefined) {
    ctx.log(`Submodule ${name} has no URL in .gitmodules: left empty`);
    return;
  }
  try {
    const repository = parseGitUrl(submoduleUrl(parent.url, submodule.url));
    if (repository.transport === "file" && parent.transport !== "file") {
      throw new SourceFault(
        `${JSON.stringify(repository.url)} is on the server's own disk, and its parent isn't: correct it in .gitmodules`,
      );
    }
    checkFile(repository, ctx);
    const place = await safeBelow(directory, submodule.path, "submodule path");
    await mkdir(place, { recursive: true });
    ctx.log(`Fetching submodule ${name} from ${shownUrl(repository.url)}`);
    await fetchInto(state, { repository, wanted: readWanted({ commit: submodule.commit }) }, place);
  } catch (error) {
    if (!(error instanceof SourceFault)) throw error;
    throw new SourceFault(`Submodule ${name}: ${error.message}`, { cause: error });
  }
}
