import { describe, expect, it } from "vitest";
import { corePath, parseOptions, startCli, type CliHarness } from "../../../../test/support/cli.ts";
import { CancelledError } from "../../errors.ts";
import { logsCommand, type LogsOptions } from "./logs.ts";

function addPod(cli: CliHarness, name: string, more: { spec?: object; status?: object } = {}): void {
  cli.api.put(`${corePath}/pods`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      labels: { "elafros.dev/configuration": "my-service", "elafros.dev/revision": "my-service-00001" },
    },
    ...more,
  });
}

function answerLogs(cli: CliHarness): void {
  cli.api.intercept((request) => {
    const match = /\/pods\/([^/]+)\/log/.exec(request.url);
    return match === null ? undefined : { status: 200, type: "text/plain", body: `hello from ${match[1] ?? ""}\n` };
  });
}

/** Runs a command until it has printed all of these, then interrupts it. */
async function untilPrinted(cli: CliHarness, argv: readonly string[], lines: readonly string[]) {
  const stop = new AbortController();
  let printed = "";
  const output = (text: string) => {
    printed += text;
    if (lines.every((line) => printed.includes(line))) stop.abort(new CancelledError("Cancelled"));
  };
  return cli.run(argv, { signal: stop.signal, output });
}

describe("logs", () => {
  it.each<[string[], Partial<LogsOptions>]>([
    [[], {}],
    [["-f", "--tail", "10", "--since", "5m"], { follow: true, tail: 10, since: 300 }],
    [["-p", "--revision", "v3", "--timestamps"], { previous: true, revision: "v3", timestamps: true }],
  ])("logsCommand() reads %j", async (argv, expected) => {
    const defaults = { follow: false, previous: false, timestamps: false };
    expect(await parseOptions<LogsOptions>(logsCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it("logs prints the lines of one instance as they are, and passes what to read", async () => {
    await using cli = await startCli();
    addPod(cli, "a");
    answerLogs(cli);
    const argv = ["logs", "--service", "my-service", "--tail", "5", "--since", "1m", "--previous"];
    expect(await cli.run(argv)).toEqual({ code: 0, stdout: "hello from a\n", stderr: "" });
    expect(cli.api.requests.at(-1)?.url).toBe(`${corePath}/pods/a/log?previous=true&tailLines=5&sinceSeconds=60`);
  });

  it("logs says which instance wrote a line where there are several", async () => {
    await using cli = await startCli();
    addPod(cli, "a");
    addPod(cli, "b");
    answerLogs(cli);
    const { stdout } = await cli.run(["logs", "--revision", "my-service-00001"]);
    expect(stdout).toBe("[a] hello from a\n[b] hello from b\n");
  });

  it("logs names the instance's container where a cluster has put others beside it", async () => {
    await using cli = await startCli();
    addPod(cli, "a", { spec: { containers: [{ name: "user-container" }, { name: "proxy" }] } });
    answerLogs(cli);
    expect((await cli.run(["logs", "--service", "my-service"])).code).toBe(0);
    expect(cli.api.requests.at(-1)?.url).toBe(`${corePath}/pods/a/log?container=user-container`);
  });

  it("logs -f waits for an instance to start, and then has all that it wrote", async () => {
    await using cli = await startCli();
    addPod(cli, "a", { status: { phase: "Pending" } });
    cli.api.intercept((request) => {
      if (request.url.includes("watch=true")) addPod(cli, "a", { status: { phase: "Running" } });
      return undefined;
    });
    answerLogs(cli);
    await untilPrinted(cli, ["logs", "-f", "--service", "my-service"], ["hello from a\n"]);
    const asked = cli.api.requests.filter(({ url }) => url.includes("/log")).map(({ url }) => url);
    expect(asked[0]).toBe(`${corePath}/pods/a/log?follow=true`);
  });

  it("logs says where to look where no instance runs", async () => {
    await using cli = await startCli();
    const result = await cli.run(["logs", "--service", "my-service"]);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain('No instances of service "my-service" run now');
  });

  it("logs -f follows instances that come later, until it is interrupted", async () => {
    await using cli = await startCli();
    addPod(cli, "a");
    cli.api.intercept((request) => {
      if (request.url.includes("watch=true")) addPod(cli, "b");
      return undefined;
    });
    answerLogs(cli);
    const lines = ["[a] hello from a\n", "[b] hello from b\n"];
    const result = await untilPrinted(cli, ["logs", "-f", "--service", "my-service"], lines);
    expect(result.code).toBe(130);
    for (const line of lines) expect(result.stdout).toContain(line);
  });
});
