import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
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
});
