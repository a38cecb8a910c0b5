/** What a commit would write, known before anything of it is written. */
import { entryPath } from "../../lib/source/archive-entry.ts";
import type { Budget } from "./budget.ts";
import type { Git } from "./git-run.ts";

export interface Submodule {
  path: string;
  commit: string;
  /** As .gitmodules has it; absent where that names none. */
  url?: string;
}

/** Counts a commit's files, and gives its submodules. @throws SourceFault where it has too much */
export async function readTree(
  git: Git,
  { directory, commit, shown }: { directory: string; commit: string; shown: string },
  budget: Budget,
): Promise<Submodule[]> {
  const submodules: Submodule[] = [];
  let modules = false;
  await git.each(directory, ["ls-tree", "-r", "-t", "-l", "-z", "--full-tree", commit], (line) => {
    const [facts, path] = split(line, "\t");
    const [, type, name = "", size = "0"] = facts.split(/ +/);
    budget.entry(shown);
    if (type === "blob") budget.bytes(Number(size), shown);
    if (type === "commit") submodules.push({ path: entryPath(path, shown), commit: name });
    modules ||= path === ".gitmodules";
  });
  if (submodules.length === 0 || !modules) return submodules;
  const known = await readModules(git, directory, commit);
  return submodules.flatMap((one) => {
    const module = known.get(one.path);
    if (module?.update === "none") return [];
    return module?.url === undefined ? [one] : [{ ...one, url: module.url }];
  });
}

interface Module {
  path?: string;
  url?: string;
  update?: string;
}

/** .gitmodules of the commit, by path. */
async function readModules(git: Git, directory: string, commit: string): Promise<Map<string, Module>> {
  const args = [
    "config",
    "--blob",
    `${commit}:.gitmodules`,
    "--null",
    "--get-regexp",
    String.raw`^submodule\..*\.(path|url|update)$`,
  ];
  const byName = new Map<string, Module>();
  const { stdout } = await git.run(directory, args);
  for (const entry of stdout.split("\0")) {
    const [key, value] = split(entry, "\n");
    const match = /^submodule\.(.*)\.(path|url|update)$/s.exec(key);
    if (match === null) continue;
    const [, name = "", field = ""] = match;
    byName.set(name, { ...byName.get(name), [field]: value });
  }
  return new Map([...byName.values()].flatMap((one) => (one.path === undefined ? [] : [[one.path, one]])));
}

/** The parts before and behind the first separator. */
function split(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
