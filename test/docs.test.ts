/**
 * Keeps the documents true: links lead somewhere, the generated references say what the code says, commands and flags in fenced code
 * exist, and every word that a person can meet in a condition, an Event or an answer is explained.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { promisify } from "node:util";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { buildReasons } from "../src/api/build.conditions.ts";
import { configurationReasons } from "../src/api/configuration.conditions.ts";
import { reasonCodes } from "../src/api/meta/errors.ts";
import { revisionReasons } from "../src/api/revision.conditions.ts";
import { routeReasons } from "../src/api/route.conditions.ts";
import { maxBodyBytes } from "../src/apiserver/body.ts";
import { stallMs as uploadStallMs } from "../src/apiserver/sources.ts";
import { createIo } from "../src/cli/io.ts";
import { createProgram } from "../src/cli/program.ts";
import { answers } from "../src/gateway/answers.ts";
import { defaultLimits as gatewayLimits } from "../src/gateway/options.ts";
import { formatBytes } from "../src/lib/bytes.ts";
import { systemClock } from "../src/lib/clock.ts";
import { maxEntries } from "../src/lib/source/walk.ts";
import { processNames } from "../src/platform/supervisor/records.ts";
import { defaultGarbageRules } from "../src/reconcilers/gc/plan.ts";
import { stallMs as downloadStallMs } from "../src/runtime/fetch/download.ts";
import { mostSubmodules } from "../src/runtime/fetch/git.ts";
import { defaultBuildLimits } from "../src/runtime/oci/build-open.ts";
import { defaultLimits as driverLimits } from "../src/runtime/oci/limits.ts";
import { defaultHistory } from "../src/store/store.ts";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");

const documents = [
  ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"].map((name) => join(root, name)),
  ...["docs", "examples", "bench"].flatMap((name) => markdownBelow(join(root, name))),
].map((path) => ({ name: relative(root, path), path, text: readFileSync(path, "utf8") }));

function markdownBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".md"))
    .map((entry) => join(entry.parentPath, entry.name));
}

function textOf(name: string): string {
  const found = documents.find((document) => document.name === name);
  if (found === undefined) throw new Error(`There is no document ${name}`);
  return found.text;
}

/** All code below a directory, tests apart. */
function sourceText(directory: string): string {
  return readdirSync(join(root, directory), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts"))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"))
    .join("\n");
}

/** Headings' anchors, as GitHub makes them. */
function anchorsOf(text: string): Set<string> {
  const headings = [...withoutCode(text).matchAll(/^#+ +(.+)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}

describe("links", () => {
  test.each(documents.map(({ name }) => name))("of %s lead to files and headings that are there", (name) => {
    const document = documents.find((each) => each.name === name);
    const broken: string[] = [];
    for (const [, target = ""] of withoutCode(document?.text ?? "").matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [path = "", anchor] = target.split("#");
      const file = path === "" ? (document?.path ?? "") : resolve(dirname(document?.path ?? ""), path);
      if (!existsSync(file)) broken.push(target);
      else if (anchor !== undefined && !anchorsOf(readFileSync(file, "utf8")).has(anchor)) broken.push(target);
    }
    expect(broken).toEqual([]);
  });

  test.each(documents.map(({ name }) => name))("of %s name source files that are there", (name) => {
    const text = documents.find((each) => each.name === name)?.text ?? "";
    const paths = [...text.matchAll(/`((?:src|test|scripts|bench|bin|examples|docs|\.ci)\/[\w./-]*)`/g)];
    // NAME, NOUN and VERB stand for any.
    const missing = paths
      .map(([, path = ""]) => path)
      .filter((path) => !/NAME|NOUN|VERB/.test(path) && !existsSync(join(root, path)));
    expect(missing).toEqual([]);
  });
});

describe("generated references", () => {
  test.each([
    "scripts/cli-reference.ts",
    "scripts/api-reference.ts",
    "scripts/cluster-reference.ts",
    "scripts/cluster-manifests.ts",
  ])("are what %s writes", async (script) => {
    // Rejects with its sentence where they are not.
    await run(process.execPath, ["--disable-warning=ExperimentalWarning", join(root, script), "--check"]);
  });
});

describe("commands in fenced code", async () => {
  const unused = () => Promise.reject(new Error("The test runs no command"));
  const sink = { write: () => {} };
  const program = await createProgram(
    {
      io: createIo({ stdout: sink, stderr: sink, stdin: (async function* () {})(), env: {} }),
      clock: systemClock,
      env: {},
      cwd: "/",
      signal: new AbortController().signal,
      connect: unused,
      platform: {
        up: unused,
        down: unused,
        status: unused,
        trust: unused,
        doctor: unused,
        makeStandIns: unused,
        userKubeconfig: unused,
        upgrade: unused,
        installOnCluster: unused,
        uninstallFromCluster: unused,
        clusterStatus: unused,
        clusterDoctor: unused,
        clusterManifests: unused,
        copyImage: unused,
        exactImage: unused,
      },
    },
    () => true,
  );

  /** What is wrong with the words after `elafros`; undefined where nothing is. */
  function faultOf(words: readonly string[]): string | undefined {
    let command: Command = program;
    for (const word of words) {
      if (/^--?[a-z]/i.test(word)) {
        const flag = word.split("=")[0] ?? "";
        const known = [...command.options.flatMap(({ long, short }) => [long, short]), "--help", "-h"];
        if (!known.includes(flag)) return `"${command.name()}" has no flag ${flag}`;
      } else if (command.commands.length > 0) {
        const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
        if (next === undefined) return `"${command.name()}" has no command ${word}`;
        command = next;
      }
    }
    return command.commands.length > 0 && words.length > 0 && !words.includes("--help")
      ? `"${command.name()}" needs another word`
      : undefined;
  }

  /** Every command line of a document's code blocks that runs `elafros`, as words. */
  function elafrosLines(text: string): string[][] {
    const blocks = [...text.matchAll(/^```(?:sh|console)?\n(.*?)^```$/gms)].map(([, block = ""]) => block);
    return blocks
      .flatMap((block) => block.replaceAll(/\\\n\s*/g, " ").split("\n"))
      .flatMap((line) => line.replace(/\s#.*$/, "").split(/\||;|&&|\$\(/))
      .flatMap((part) => {
        const match = /^\s*(?:\$ )?(?:sudo )?(?:\S*\/)?elafros((?: .*)?)$/.exec(part);
        if (match === null) return [];
        const words = (match[1] ?? "").replace(/[<>].*$/, "").replaceAll(/"[^"]*"|'[^']*'/g, "quoted");
        return [words.split(/\s+/).filter((word) => word !== "")];
      });
  }

  test("are found, and a wrong one is told", () => {
    expect(elafrosLines("```sh\n$ sudo bin/elafros up --detach | cat\n```")).toEqual([["up", "--detach"]]);
    expect(faultOf(["up", "--detach"])).toBeUndefined();
    expect(faultOf(["up", "--detatch"])).toBe('"up" has no flag --detatch');
    expect(faultOf(["rollout", "begin"])).toBe('"rollout" has no command begin');
    expect(elafrosLines(textOf("README.md")).length).toBeGreaterThan(10);
  });

  test.each(documents.filter(({ name }) => !name.startsWith("docs/reference/")).map(({ name }) => name))(
    "of %s exist with all their flags",
    (name) => {
      const faults = elafrosLines(textOf(name)).map((words) => {
        const fault = faultOf(words);
        return fault === undefined ? undefined : `elafros ${words.join(" ")}: ${fault}`;
      });
      expect(faults.filter((fault) => fault !== undefined)).toEqual([]);
    },
  );

  test("cover every command: each stands in the CLI reference", () => {
    const reference = textOf("docs/reference/cli.md");
    const names = program.commands.map((command) => command.name());
    for (const name of names.filter((each) => !each.startsWith("_") && each !== "help")) {
      expect(reference).toContain(`## elafros ${name}`);
    }
  });
});

describe("docs/troubleshooting.md", () => {
  const text = () => textOf("docs/troubleshooting.md");
  const missing = (words: readonly string[]) => words.filter((word) => !text().includes(`\`${word}\``));

  test("explains every reason of a condition", () => {
    const reasons = [revisionReasons, routeReasons, configurationReasons, buildReasons].flatMap((each) =>
      Object.values(each),
    );
    expect(missing([...reasons, "ExitCode%d"])).toEqual([]);
  });

  /** The text under a heading, up to the next one of its rank. */
  function section(heading: string): string {
    const found = new RegExp(`^## ${heading}\\n(.*?)(?=^## |(?![^]))`, "ms").exec(text());
    if (found === null) throw new Error(`docs/troubleshooting.md has no heading "${heading}"`);
    return found[1] ?? "";
  }

  test("explains every reason of the gateway's own answers, with its status", () => {
    const rows = section("A request gets an error");
    const absent = Object.values(answers).filter(
      ({ reason, status }) => !rows.includes(`| \`${reason}\` | ${status} |`),
    );
    expect(absent).toEqual([]);
  });

  test("explains every reason of the API's errors, with its code", () => {
    const rows = section("The API refuses something");
    const absent = Object.entries(reasonCodes).filter(
      ([reason, code]) => !rows.includes(`| \`${reason}\` | ${code} |`),
    );
    expect(absent).toEqual([]);
  });

  test("explains every reason that the controllers write", () => {
    const found = sourceText("src/reconcilers").matchAll(/reason: "([A-Z]\w+)"/g);
    const words = [...found].map(([, word = ""]) => word);
    expect(words.length).toBeGreaterThan(5);
    expect(missing(words)).toEqual([]);
  });

  test("explains everything that doctor looks at", () => {
    const doctor = readFileSync(join(root, "src/platform/doctor.ts"), "utf8");
    const programs = [...doctor.matchAll(/programs: \[([^\]]+)\]/g)].map(([, list = ""]) =>
      list.replaceAll('"', "").split(", ").join(" or "),
    );
    const checks = [...doctor.matchAll(/check(?: =|:) "([^"$]+)"/g)].map(([, check = ""]) => check);
    const paths = [...doctor.matchAll(/path: "([^"]+)"/g)].map(([, path = ""]) => path);
    expect(programs.length).toBeGreaterThan(5);
    expect(checks).toContain("root");
    expect(missing([...programs, ...checks, ...paths])).toEqual([]);
  });

  test("quotes what up and status really say", () => {
    const source = sourceText("src");
    const rows = `${section("elafros up fails")}${section("elafros status tells a problem")}`;
    const quotes = [...rows.matchAll(/^\| `([^`]+)`/gm)].flatMap(([, quote = ""]) => quote.split(/…:?/));
    const fragments = quotes.map((quote) => quote.trim()).filter((quote) => quote.length > 3);
    expect(fragments.length).toBeGreaterThan(12);
    expect(fragments.filter((fragment) => !source.includes(fragment))).toEqual([]);
  });

  test("names every process of the platform", () => {
    expect(missing(processNames)).toEqual([]);
  });
});

describe("docs/building.md", () => {
  test("has the limits that the code has", () => {
    const count = (value: number) => value.toLocaleString("en");
    const { sourceBytes, sourceEntries } = defaultBuildLimits();
    const expected = [
      `| an upload that stands still | ${uploadStallMs / 1000} s |`,
      `| files of a directory that is packed | ${count(maxEntries)} |`,
      `| unpacked, all of a source together | ${formatBytes(sourceBytes)}, ${count(sourceEntries)} files and directories |`,
      `| a download | ${formatBytes(sourceBytes)}; ${downloadStallMs / 1000} s without a byte |`,
      `| submodules | ${mostSubmodules} |`,
    ];
    const text = textOf("docs/building.md");
    expect(expected.filter((row) => !text.includes(row))).toEqual([]);
  });
});

describe("docs/operating.md", () => {
  const rows = (...pairs: [string, string][]) => pairs.map(([what, figure]) => `| ${what} | ${figure} |`);
  const count = (value: number) => value.toLocaleString("en");
  const mebibytes = (bytes: number) => `${bytes / 1024 ** 2} MiB`;
  const seconds = (ms: number) => `${ms / 1000} s`;
  const hours = (ms: number) => `${ms / 3_600_000} h`;

  test("has the limits that the code has", () => {
    const driver = driverLimits();
    const expected = rows(
      ["processes and threads", count(driver.pids)],
      ["output kept", `${mebibytes(driver.logBytes)} a run, of the last two runs`],
      ["requests that wait for one Revision", count(gatewayLimits.queueLength)],
      ["client connections", `${count(gatewayLimits.connections)} per thread, a thread per core`],
      [
        "header section",
        `${gatewayLimits.headerBytes / 1024} KiB, ${gatewayLimits.headerCount} fields, within ${seconds(gatewayLimits.headersMs)}`,
      ],
      ["a request's body, or a client that takes no answer, standing still", seconds(gatewayLimits.stallMs)],
      ["idle client connection", seconds(gatewayLimits.idleMs)],
      ["a body", mebibytes(maxBodyBytes)],
      [
        "changes that a watch can resume after",
        `${count(defaultHistory.changes)} changes, ${mebibytes(defaultHistory.bytes)}, ${defaultHistory.ageMs / 60_000} minutes`,
      ],
      [
        "Revisions",
        `deleted when no Route names them, ${hours(defaultGarbageRules.retainSinceCreateMs)} old, ` +
          `${hours(defaultGarbageRules.retainSinceActiveMs)} without traffic, beyond the newest ${defaultGarbageRules.keep}; ` +
          `never more than ${count(defaultGarbageRules.atMost)}`,
      ],
    );
    const text = textOf("docs/operating.md");
    expect(expected.filter((row) => !text.includes(row))).toEqual([]);
  });

  test("names every flag of up", () => {
    const reference = /^## elafros up\n(.*?)^## /ms.exec(textOf("docs/reference/cli.md"))?.[1] ?? "";
    const flags = [...reference.matchAll(/^\| `(--[a-z-]+)/gm)].map(([, flag = ""]) => flag);
    expect(flags.length).toBeGreaterThan(8);
    const text = textOf("docs/operating.md");
    expect(flags.filter((flag) => !text.includes(`\`${flag}\``))).toEqual([]);
  });
});
