/**
 * The command-line sessions of scenarios 2, 1 and 3 (in the order in which they build on each other), typed as the examples show
 * them into a directory with a git repository, against a platform with real containers, whichever it is; each output compared with
 * the example line by line. `https` reads as the platform's own URL, names and dates as they are in this run.
 */
import { execFileSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type CommandResult, elafros, run } from "../../support/platform.ts";
import type { Stage } from "./player.ts";

/** Where the sessions are typed. */
export interface Desk extends Pick<Stage, "domain" | "images" | "ask"> {
  /** A directory of the test's own. */
  dir: string;
  /** Of the examples' user1, who may edit in the namespace `default`; its context is the examples' region. */
  kubeconfig: string;
  /** What URLs of services end with: `:PORT`, or nothing. */
  urlPort: string;
  /** Whether it is seen how an image comes: on a Kubernetes nodes pull it, and nobody is told how far they are. */
  showsPulls: boolean;
}

/** Declares the sessions as tests. `open` is asked before the first one. */
export function declareSessions(open: () => Promise<Desk> | Desk): void {
  let desk: Desk;
  /** The working directory of the sessions. */
  let directory: string;
  let env: NodeJS.ProcessEnv;
  /** Abbreviated commits, oldest first. */
  const commits: string[] = [];

  beforeAll(async () => {
    desk = await open();
    directory = join(desk.dir, "checkout");
    await mkdir(directory);
    git("init", "-q");
    await commit("main.js", "1\n");
    // NO_COLOR would hide what a terminal shows.
    const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = process.env;
    const search = `${dirname(elafros)}${delimiter}${process.env["PATH"] ?? ""}`;
    env = { ...rest, KUBECONFIG: desk.kubeconfig, PATH: search, TERM: "xterm" };
  });

  function git(...args: string[]): string {
    const identity = ["-c", "user.name=User One", "-c", "user.email=user1@example.com"];
    return execFileSync("git", [...identity, ...args], { cwd: directory, encoding: "utf8" }).trim();
  }

  async function commit(file: string, text: string): Promise<void> {
    await writeFile(join(directory, file), text);
    git("add", file);
    git("commit", "-q", "-m", `Change ${file}`);
    commits.push(git("rev-parse", "--short=7", "HEAD"));
  }

  /** Types a line of an example; `$ ` and what a shell does with it included. */
  function type(line: string): Promise<CommandResult> {
    return run("sh", ["-c", line], { cwd: directory, env });
  }

  /** The output of a command that succeeds without a word on standard error. */
  async function output(line: string): Promise<string> {
    const result = await type(line);
    expect(result, line).toMatchObject({ code: 0, stderr: "" });
    return result.stdout;
  }

  const escape = "\u001B";

  /** The same on a terminal: what stands there at the end, and what was written. */
  async function onTerminal(line: string): Promise<{ shown: string; written: string }> {
    const result = await run("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
      cwd: directory,
      env,
    });
    expect(result, line).toMatchObject({ code: 0 });
    const written = result.stdout;
    const shown = written
      .split("\r\n")
      .map((row) => row.split(`\r${escape}[K`).at(-1) ?? "")
      .join("\n")
      .replaceAll(new RegExp(String.raw`${escape}\[\d+m`, "g"), "");
    return { shown, written };
  }

  /** A table's rows, their cells with one space between, as the examples came without their padding. */
  function rows(table: string): string[] {
    return table
      .trimEnd()
      .split("\n")
      .map((row) => row.trim().replaceAll(/ {2,}/g, " "));
  }

  const date = String.raw`\d{4}-\d\d-\d\d \d\d:\d\d`;
  const row = (start: string, sha: string | undefined) =>
    expect.stringMatching(new RegExp(`^${start} ${date} user1 ${sha}$`, "u")) as string;
  const address = (name = "") => `http://${name}my-service.default.${desk.domain}${desk.urlPort}`;

  /** Version and HELLO of what answers. */
  async function served(name = ""): Promise<string> {
    const answer = await desk.ask(`${name}my-service.default.${desk.domain}`, "/info");
    expect(answer.status, answer.text).toBe(200);
    const info = JSON.parse(answer.text) as { version: string; env: Record<string, string> };
    return `${info.version} ${info.env["HELLO"] ?? "-"}`;
  }

  describe("the examples' command-line sessions", () => {
    test("2) deploy creates Route and Configuration, in the region", async () => {
      const flags = `--image ${desk.images["app:1"]} --env FOO=bar --env HELLO=world`;
      expect(await output(`elafros deploy --service my-service --region us-central1 ${flags}`)).toBe(
        `✓ Creating service [my-service] in region [us-central1]
Deploying app to service [my-service]:
${desk.showsPulls ? "✓ Uploading [=================]\n" : ""}✓ Starting
✓ Promoting
Done.
Deployed to ${address()}
`,
      );
      expect(await served()).toBe("1 world");
    });

    test("1) deploy rolls a new Revision out by itself, on a terminal as on a pipe", async () => {
      await commit("main.js", "2\n");
      const example = `Deploying app to service [my-service]:
✓ Starting
✓ Promoting
Done.
Deployed to ${address()}
`;
      const { shown, written } = await onTerminal(
        `elafros deploy --service my-service --image ${desk.images["app:2"]}`,
      );
      expect(shown).toBe(example);
      expect(written).toContain(`${escape}[32m✓${escape}[0m Promoting`);
      expect(written).toContain(`\r${escape}[K${escape}[2m⠋${escape}[0m Starting`); // a spinner, until then
      expect(await served()).toBe("2 world");
      // The image and the service are those of last time.
      await output("elafros revisions list"); // needs no --service either
    });

    test("3) a rollout by hand, from 0 over 5 and 50 to 100 percent", async () => {
      const [first, second] = commits;
      await output("elafros rollout strategy manual");
      expect(await output('elafros deploy --service my-service --env HELLO="blurg"')).toBe(
        `Deploying app to service [my-service]:
✓ Starting
✓ Promoting
Done.
Deployed to ${address("next.")}
`,
      );
      expect(rows(await output("elafros revisions list --service my-service"))).toEqual([
        "Name Traffic Id Date Deployer Git SHA",
        row("next 0% v3", second),
        row("current 100% v2", second),
        row("v1", first),
      ]);
      expect([await served(), await served("next."), await served("current.")]).toEqual([
        "2 world",
        "2 blurg",
        "2 world",
      ]);

      expect(rows(await output("elafros rollout next percent 5"))).toEqual([
        "✓ Promoting",
        "Name Traffic Id Revision",
        "current 95% v2 my-service-00002",
        "next 5% v3 my-service-00003",
      ]);
      expect(await shares()).toEqual({ "2 world": 95, "2 blurg": 5 });
      expect(rows(await output("elafros rollout next percent 50")).slice(2)).toEqual([
        "current 50% v2 my-service-00002",
        "next 50% v3 my-service-00003",
      ]);
      expect(await shares()).toEqual({ "2 world": 50, "2 blurg": 50 });
      await output("elafros rollout finish");
      expect(rows(await output("elafros revisions list --service my-service"))).toEqual([
        "Name Traffic Id Date Deployer Git SHA",
        row("current,next 100% v3", second),
        row("v2", second),
        row("v1", first),
      ]);
      expect(await shares()).toEqual({ "2 blurg": 100 });
    });

    test("after them, undo goes back step by step, and the next deploy is by hand again", async () => {
      await output("elafros rollout undo");
      expect(await shares()).toEqual({ "2 world": 50, "2 blurg": 50 });
      await output("elafros rollout undo");
      await output("elafros rollout undo");
      expect(await shares()).toEqual({ "2 world": 100 });
      const shown = rows(await output("elafros rollout status"));
      expect(shown).toContain("Strategy: manual");
      expect(shown).toContain("current 100% v2 my-service-00002");
      expect(await output("elafros rollout strategy automatic")).toContain("✓ Promoting");
      expect(await served()).toBe("2 blurg");
    });
  });

  /** What answered 100 requests in a row. */
  async function shares(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const answer of await Promise.all(Array.from({ length: 100 }, () => served()))) {
      counts[answer] = (counts[answer] ?? 0) + 1;
    }
    return counts;
  }
}
