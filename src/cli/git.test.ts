import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { gitFacts } from "./git.ts";

async function directory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "elafros-git-"));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

function git(cwd: string, ...words: string[]): string {
  const who = ["-c", "user.name=t", "-c", "user.email=t@example.com"];
  return execFileSync("git", [...who, ...words], { cwd, encoding: "utf8" }).trim();
}

describe("gitFacts", () => {
  it("gitFacts() knows nothing of a directory without commits", async () => {
    const path = await directory();
    expect(await gitFacts(path)).toBeUndefined();
    git(path, "init", "-q");
    expect(await gitFacts(path)).toBeUndefined();
  });

  it("gitFacts() gives the commit, and whether this directory has other files than it", async () => {
    const path = await directory();
    git(path, "init", "-q");
    await mkdir(join(path, "app"));
    await writeFile(join(path, "app", "a.txt"), "1");
    await writeFile(join(path, ".gitignore"), "ignored\n");
    git(path, "add", ".");
    git(path, "commit", "-q", "-m", "x");
    const commit = git(path, "rev-parse", "HEAD");
    expect(await gitFacts(path)).toEqual({ commit, dirty: false });

    await writeFile(join(path, "ignored"), "x");
    await writeFile(join(path, "app", ".elafros.json"), "{}");
    expect(await gitFacts(path)).toEqual({ commit, dirty: false });

    await writeFile(join(path, "new.txt"), "beside the directory that is asked about");
    expect(await gitFacts(join(path, "app"))).toEqual({ commit, dirty: false });
    expect(await gitFacts(path)).toEqual({ commit, dirty: true });
    await writeFile(join(path, "app", "a.txt"), "2");
    expect(await gitFacts(join(path, "app"))).toEqual({ commit, dirty: true });
  });

  /** A directory with one commit whose file looks changed; what its traps run leaves the mark. */
  async function hostile() {
    const top = await directory();
    const [path, mark] = [join(top, "r"), join(top, "mark")];
    await mkdir(path);
    git(path, "init", "-q");
    await writeFile(join(path, "a.txt"), "1");
    git(path, "add", ".");
    git(path, "commit", "-q", "-m", "x");
    // Git looks into what is newer than its index.
    const later = new Date(Date.now() + 60_000);
    await utimes(join(path, "a.txt"), later, later);
    return { path, mark, set: (key: string, value: string) => git(path, "config", key, value) };
  }
  type Trap = Awaited<ReturnType<typeof hostile>>;

  it.each<[string, (trap: Trap) => unknown]>([
    [
      "a filter",
      async ({ path, mark, set }) => {
        await writeFile(join(path, ".git", "info", "attributes"), "* filter=evil\n");
        set("filter.evil.clean", `touch ${mark}; cat`);
      },
    ],
    [
      "a filter that must succeed, with a name of many parts",
      async ({ path, mark, set }) => {
        await writeFile(join(path, ".git", "info", "attributes"), "* filter=Very.Evil\n");
        set("filter.Very.Evil.process", `touch ${mark}`);
        set("filter.Very.Evil.required", "true");
      },
    ],
    [
      "a filter whose name would be another on a command line",
      async ({ path, mark, set }) => {
        await writeFile(join(path, ".git", "info", "attributes"), "* filter=a=b\n");
        set("filter.a=b.clean", `touch ${mark}; cat`);
      },
    ],
    ["a monitor of files", ({ mark, set }) => set("core.fsmonitor", `touch ${mark}; false`)],
    [
      "a hook",
      async ({ path, mark, set }) => {
        await mkdir(join(path, "..", "hooks"));
        const hook = join(path, "..", "hooks", "post-index-change");
        await writeFile(hook, `#!/bin/sh\ntouch ${mark}\n`, { mode: 0o755 });
        set("core.hooksPath", join(path, "..", "hooks"));
      },
    ],
    [
      "a submodule's filter",
      async ({ path, mark }) => {
        const inner = join(path, "inner");
        git(path, "init", "-q", inner);
        await writeFile(join(inner, "b.txt"), "1");
        git(inner, "add", ".");
        git(inner, "commit", "-q", "-m", "y");
        git(path, "add", "inner");
        git(path, "commit", "-q", "-m", "z");
        await writeFile(join(inner, ".git", "info", "attributes"), "* filter=evil\n");
        git(inner, "config", "filter.evil.clean", `touch ${mark}; cat`);
        const later = new Date(Date.now() + 60_000);
        await utimes(join(inner, "b.txt"), later, later);
      },
    ],
  ])("gitFacts() runs nothing that the repository names: %s", async (_, set) => {
    const trap = await hostile();
    await set(trap);
    const commit = git(trap.path, "rev-parse", "HEAD");
    await rm(trap.mark, { force: true });
    expect(await gitFacts(trap.path)).toMatchObject({ commit });
    expect(existsSync(trap.mark)).toBe(false);
    // It is a trap: git alone steps into it.
    spawnSync("git", ["status", "--porcelain"], { cwd: trap.path });
    expect(existsSync(trap.mark)).toBe(true);
  });

  it("gitFacts() takes no directory for a repository that only looks like one", async () => {
    const { path } = await hostile();
    const bare = join(path, "bare");
    git(path, "init", "-q", "--bare", bare);
    git(path, "push", "-q", bare, "HEAD:refs/heads/main");
    git(bare, "symbolic-ref", "HEAD", "refs/heads/main");
    expect(git(bare, "rev-parse", "HEAD")).toMatch(/^[0-9a-f]{40}$/);
    expect(await gitFacts(bare)).toBeUndefined();
  });
});
