/**
 * Plays what kubectl 1.32 asked of a Kubernetes 1.26.5, command by command. Recorded are the status of each answer and what kubectl
 * printed, which is made of the answers: tables, objects, and the messages of errors.
 */
import { readFileSync } from "node:fs";
import { parse as parseYaml } from "yaml";
import type { Answer } from "../../support/api-server.ts";
import type { PlayedServer } from "./player.ts";
import { type RecordedRequest, Replay } from "./replay.ts";
import { openWatch } from "./watch-stream.ts";

interface KubectlRequest {
  method: string;
  path: string;
  accept?: string;
  "content-type"?: string;
  /** As text. What was protobuf is the JSON that it stands for. */
  body?: string;
  status: number;
}

export interface KubectlCommand {
  command: string;
  note?: string;
  /** Default: 0. A sentence where the recorder ended it. */
  exit?: number | string;
  /** What must be there before. */
  setup?: RecordedRequest;
  /** Without those that were sent at once, whose answers nobody can tell apart. */
  requests: KubectlRequest[];
  stdout?: string;
  stderr?: string[];
}

export function readCommands(): KubectlCommand[] {
  const text = readFileSync(new URL("./kubectl.jsonl", import.meta.url), "utf8");
  return text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as KubectlCommand);
}

/** What a command is listed by. */
const nameOf = ({ command, note }: KubectlCommand): string => (note === undefined ? command : `${command}: ${note}`);

type Json = Record<string, unknown>;

/** What there is, and what it looks like. */
const isDiscovery = /^GET \/(?:openapi\/v\d.*|apis?|api\/v1|apis\/[^/?]+\/[^/?]+)(?:[?].*)?$/;

export class KubectlReplay {
  readonly #server: PlayedServer;
  readonly #replay: Replay;
  readonly #asked = new Set<string>();

  constructor(server: PlayedServer) {
    this.#server = server;
    this.#replay = new Replay(server);
  }

  /** Plays a command, and adds how the answers differ: by its name, and those of requests that many commands begin with by these. */
  async play(recorded: KubectlCommand, differing: Record<string, string[]>): Promise<void> {
    const { command, requests, setup } = recorded;
    if (setup !== undefined) await this.#server.ask(setup.method, setup.path, { body: setup.body });
    const found = (differing[nameOf(recorded)] ??= []);
    const as = /--as=(\S+)/.exec(command)?.[1];
    const who: Record<string, string> = as === undefined ? {} : { "impersonate-user": as };
    let last: Answer | undefined;
    let version = "0";
    for (const request of requests) {
      const where = `${request.method} ${request.path}`;
      // Many commands begin with the same questions.
      const question = isDiscovery.test(where) ? `${where} ${request.accept ?? ""}` : undefined;
      if (question !== undefined && this.#asked.has(question)) continue;
      if (question !== undefined) this.#asked.add(question);
      // What was written is of the version that was read before.
      const path = request.path.replace(/resourceVersion=\d{2,}/, `resourceVersion=${version}`);
      const body = request.body?.replace(/"resourceVersion":"\d+"/, `"resourceVersion":"${version}"`);
      if (path.includes("watch=true")) {
        const stream = await openWatch(this.#server, path, request.accept ?? "application/json");
        stream.close();
        if (stream.status !== request.status) found.push(`${where}: ${request.status}, got ${stream.status}`);
        continue;
      }
      const { accept = "application/json", "content-type": type } = request;
      const headers = { ...who, accept, ...(type === undefined ? {} : { "content-type": type }) };
      last = await this.#server.ask(request.method, path, { headers, ...(body === undefined ? {} : { body }) });
      version = (last.json?.["metadata"] as { resourceVersion?: string } | undefined)?.resourceVersion ?? version;
      const list = question === undefined ? found : (differing[where.replace(/[?].*/, "")] ??= []);
      if (last.status !== request.status) list.push(`${where}: ${request.status}, got ${last.status} ${last.text}`);
      else if (last.status >= 400) list.push(...messageDifferences(last, recorded));
      await this.#createUnapplied(request, last);
    }
    if (last !== undefined && succeeded(recorded)) found.push(...this.#printed(last, recorded));
  }

  /** What can't be applied is created, for the commands that come after. */
  async #createUnapplied({ path, body = "", "content-type": type }: KubectlRequest, { status }: Answer): Promise<void> {
    if (type !== "application/apply-patch+yaml" || status !== 415) return;
    await this.#server.ask("POST", path.replace(/\/[^/]*$/, ""), { body: JSON.parse(body) });
  }

  /** What kubectl printed of the last answer. */
  #printed(answer: Answer, { command, stdout = "" }: KubectlCommand): string[] {
    if (/ can-i create /.test(command)) {
      const { allowed } = (answer.json?.["status"] ?? {}) as { allowed?: boolean };
      return this.#replay.differences(stdout.trim() === "yes", allowed === true, "allowed");
    }
    if (!command.startsWith("kubectl get ")) return [];
    if (command.includes("-o yaml")) return this.#replay.differences(parseYaml(stdout), unmanaged(answer), "object");
    const ofOne = !/ (?:all|-A|-o json)\b/.test(`${command} `);
    if (answer.json?.["kind"] !== "Table" || !ofOne) return [];
    return this.#replay.differences(rowsOf(stdout), tableRows(answer.json, command.includes("-o wide")), "rows");
  }
}

const succeeded = ({ exit = 0 }: KubectlCommand): boolean => exit !== 1;

/** kubectl prints the message of an error that it ends with, after words of its own. */
function messageDifferences({ json, text }: Answer, recorded: KubectlCommand): string[] {
  const { stderr = [] } = recorded;
  if (json === undefined || succeeded(recorded)) return [];
  const message = typeof json["message"] === "string" ? json["message"] : text;
  const [, faults = message] = / is invalid: (.*)/s.exec(message) ?? [];
  const printed = stderr.join("\n").replaceAll(String.raw`\"`, '"');
  return printed.includes(faults) ? [] : [`"${message}" isn't what was printed: ${printed}`];
}

/** kubectl hides who owns which field. */
function unmanaged({ json = {} }: Answer): Json {
  const { managedFields: _, ...metadata } = (json["metadata"] ?? {}) as Json;
  return { ...json, metadata };
}

const aged = (cell: string): string => cell.replace(/^\d+s$/, "AGE");

function rowsOf(printed: string): string[] {
  return printed
    .trimEnd()
    .split("\n")
    .map((row) => row.split(/ {2,}/).map(aged).join(" ").trim());
}

interface Table extends Json {
  columnDefinitions: { name: string; priority?: number }[];
  rows: { cells: unknown[] }[];
}

/** The rows that kubectl makes of a table. */
function tableRows(json: Json, wide: boolean): string[] {
  const { columnDefinitions, rows } = json as Table;
  const shown = (index: number): boolean => wide || (columnDefinitions[index]?.priority ?? 0) === 0;
  const line = (cells: readonly unknown[]): string =>
    cells
      .filter((cell, index) => shown(index) && cell !== "" && cell !== null)
      .map((cell) => aged(String(cell)))
      .join(" ");
  return [line(columnDefinitions.map(({ name }) => name.toUpperCase())), ...rows.map(({ cells }) => line(cells))];
}
