/** Runs `elafros-fetch` itself, as a build's source step does, in directories of the test's own. */
import { execFile } from "node:child_process";
import { lstat, mkdir, mkdtemp, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { onTestFinished } from "vitest";

import { buildHome, homeFiles, homeVariables } from "../../src/runtime/build-home.ts";
import type { GitCredential, SourceFound } from "../../src/runtime/builds.ts";
import type { FetchRequest } from "../../src/runtime/fetch/protocol.ts";
import { pathsBelow } from "../../src/runtime/oci/files.ts";

const program = resolve(import.meta.dirname, "../../src/runtime/fetch/main.ts");

export interface Fetched {
  exitCode: number;
  found: SourceFound | undefined;
  /** Lines of the log. */
  log: string;
  /** The last line of standard error. */
  sentence: string;
  /** All of standard error. */
  stderr: string;
  /** Files and links of the workspace: text, or `-> TARGET`. */
  files: Record<string, string>;
  workspace: string;
}

export interface Fetching extends Partial<FetchRequest> {
  source: FetchRequest["source"];
  credentials?: readonly GitCredential[];
  /** A certificate that the machine trusts, PEM. */
  ca?: string;
  env?: NodeJS.ProcessEnv;
  /** A directory for everything, where it shouldn't be one of the system's. */
  base?: string;
}

/** Fetches; never throws for a failure. What it made goes with the test. */
export async function fetchSource(options: Fetching): Promise<Fetched> {
  const { source, credentials = [], ca, env = {}, upload, fileSources = [] } = options;
  const base = options.base ?? (await mkdtemp(join(tmpdir(), "elafros-fetch-")));
  if (options.base === undefined) onTestFinished(() => rm(base, { recursive: true, force: true }));
  const [workspace, home, exchange] = ["workspace", "home", "exchange"].map((name) => join(base, name)) as [
    string,
    string,
    string,
  ];
  for (const dir of [workspace, home, exchange]) await mkdir(dir);
  for (const { path, data } of homeFiles({ gitCredentials: [...credentials], registryAuths: [] })) {
    await mkdir(dirname(join(home, path)), { recursive: true, mode: 0o700 });
    await writeFile(join(home, path), data.replaceAll(buildHome, home), { mode: 0o600 });
  }
  if (ca !== undefined) {
    await writeFile(join(base, "ca.pem"), ca);
    // The TLS library of Debian's git doesn't read SSL_CERT_FILE.
    await writeFile(join(home, ".gitconfig"), `[http]\n\tsslCAInfo = ${join(base, "ca.pem")}\n`);
  }
  const request: FetchRequest = {
    source,
    limits: options.limits ?? { bytes: 256 << 20, entries: 10_000 },
    fileSources: [...fileSources],
    ...(upload === undefined ? {} : { upload }),
  };
  await writeFile(join(exchange, "spec.json"), JSON.stringify(request));
  const variables = homeVariables({ gitCredentials: [...credentials] });
  const set = Object.fromEntries(variables.map(({ name, value }) => [name, value.replaceAll(buildHome, home)]));
  const trust = ca === undefined ? {} : { SSL_CERT_FILE: join(base, "ca.pem") };
  const result = join(exchange, "result.json");
  const ended = await new Promise<{ exitCode: number; stdout: string; stderr: string }>((done) => {
    const args = ["--disable-warning=ExperimentalWarning", program, join(exchange, "spec.json"), result, workspace];
    const surroundings = { PATH: process.env["PATH"], HOME: home, ...set, ...trust, ...env };
    execFile(process.execPath, args, { env: surroundings, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      done({ exitCode: error === null ? 0 : Number(error.code ?? 255), stdout, stderr });
    });
  });
  const { exitCode, stdout, stderr } = ended;
  const text = await readFile(result, "utf8").catch(() => undefined);
  return {
    exitCode,
    found: text === undefined ? undefined : (JSON.parse(text) as SourceFound),
    log: stdout,
    sentence: stderr.trimEnd().split("\n").at(-1) ?? "",
    stderr,
    files: await contents(workspace),
    workspace,
  };
}

async function contents(root: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const place of pathsBelow(root)) {
    const stat = await lstat(place);
    if (stat.isSymbolicLink()) found[place.slice(root.length + 1)] = `-> ${await readlink(place)}`;
    else if (stat.isFile())
      found[place.slice(root.length + 1)] = stat.size > 4096 ? `${stat.size}` : await readFile(place, "utf8");
  }
  return found;
}
