/**
 * The elafros commands beyond the examples' sessions, against the real platform with real containers: what each flag of `deploy` does
 * in the container, what the commands for each noun print in every format, how they end.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parse } from "yaml";
import { background, type CommandResult, elafros, eventually, run } from "../../support/platform.ts";
import { pathOf, type Stage, startStage } from "../../support/stage.ts";

let stage: Stage;
let directory: string;

beforeAll(async () => {
  stage = await startStage();
  directory = join(stage.platform.dataDir, "work");
  await mkdir(directory);
});

afterAll(() => stage?.close());

/** Runs a command in the working directory; arguments have no spaces. */
function type(line: string): Promise<CommandResult> {
  return stage.platform.elafros(line.split(" "), { cwd: directory });
}

/** The output of a command that succeeds. */
async function output(line: string): Promise<string> {
  const result = await type(line);
  expect(result, line).toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

async function ask(host: string, path: string): Promise<string> {
  const answer = await stage.platform.ask(`${host}.default.localhost`, path);
  expect(answer.status, answer.text).toBe(200);
  return answer.text;
}

interface Info {
  version: string;
  env: Record<string, string>;
}

interface Named {
  kind: string;
  metadata: { name: string };
}

describe("elafros deploy's flags", () => {
  test("each has its effect in the container", async () => {
    const { images, platform } = stage;
    await writeFile(join(directory, "dev.env"), '# for development\nMODE=dev\nGREETING="two words"\nOVER=file\n');
    expect(await output("secrets create db --from-literal user=root --from-literal password=hunter2")).toContain(
      "✓ Created secret [db]",
    );
    const robot = JSON.stringify({ metadata: { name: "robot" } });
    expect((await platform.call("POST", "/api/v1/namespaces/default/serviceaccounts", robot)).status).toBe(201);
    const flags = [
      `deploy --service flags --image ${images["app:1"]} --env-file dev.env --env OVER=flag --label team=shop`,
      "--secret PASSWORD=db:password --secret /etc/db=db --port 9090 --cpu 500m --memory 128Mi",
      "--concurrency 2 --timeout 3s --service-account robot --max-scale 1",
    ];
    await output(flags.join(" "));

    const { env } = JSON.parse(await ask("flags", "/info")) as Info;
    expect(env).toMatchObject({
      MODE: "dev",
      GREETING: "two words",
      OVER: "flag",
      PASSWORD: "hunter2",
      PORT: "9090",
      K_SERVICE: "flags",
      K_CONFIGURATION: "flags",
      K_REVISION: "flags-00001",
    });
    expect(JSON.parse(await ask("flags", "/dir?path=/etc/db"))).toEqual(
      expect.arrayContaining(["password", "user"]) as unknown,
    );
    expect(await ask("flags", "/file?path=/etc/db/user")).toBe("root");
    expect(await limit("flags", ["memory/memory.limit_in_bytes", "memory.max"])).toBe(String(128 << 20));
    expect(await limit("flags", ["cpu/cpu.cfs_quota_us", "cpu.max"])).toMatch(/^50000( 100000)?$/);

    const slow = await platform.ask("flags.default.localhost", "/?ms=60000");
    expect([slow.status, slow.headers["elafros-reason"]]).toEqual([504, "ResponseTimeout"]);
    await Promise.all(Array.from({ length: 4 }, () => ask("flags", "/?ms=300")));
    expect(JSON.parse(await ask("flags", "/concurrency"))).toMatchObject({ most: 2 });
    const revision = (await platform.json("GET", pathOf("revisions", "flags-00001"))) as {
      metadata: { labels: object };
      spec: object;
    };
    expect(revision.metadata.labels).toMatchObject({ team: "shop", "elafros.dev/configuration": "flags" });
    expect(revision.spec).toMatchObject({ serviceAccountName: "robot" });
  });

  test("what isn't named stays, and NAME- takes away; --no-traffic --name leaves the traffic where it is", async () => {
    const { images } = stage;
    expect(
      await output(`deploy --image ${images["app:2"]} --env MODE- --secret PASSWORD- --no-traffic --name canary`),
    ).toContain(`Deployed to http://canary.flags.default.localhost:${stage.platform.httpPort}\n`);
    const before = JSON.parse(await ask("flags", "/info")) as Info;
    const canary = JSON.parse(await ask("canary.flags", "/info")) as Info;
    expect([before.version, canary.version]).toEqual(["1", "2"]);
    expect(canary.env).toMatchObject({ GREETING: "two words", OVER: "flag", PORT: "9090" });
    expect(canary.env).not.toHaveProperty("MODE");
    expect(canary.env).not.toHaveProperty("PASSWORD");
  });

  test("a deploy that fails says why with the container's last lines, ends with 1 and leaves the traffic", async () => {
    const failed = await type(`deploy --image ${stage.images["app:exits"]}`);
    expect(failed.code).toBe(1);
    expect(failed.stdout).toBe("Deploying app to service [flags]:\n✗ Starting\n");
    expect(failed.stderr).toBe(
      `Error: Revision "flags-00003" failed: ExitCode1: Container failed with: Cannot start: DATABASE_URL is not set
Last lines of the container:
  Cannot start: DATABASE_URL is not set
The traffic was not changed: service [flags] goes on with flags-00001.
`,
    );
    expect((JSON.parse(await ask("flags", "/info")) as Info).version).toBe("1");
    await output("rollout undo");
    const started = await type(`deploy --image ${stage.images["app:3"]} --no-wait -o name`);
    expect(started).toMatchObject({ code: 0, stdout: "service/flags\n" }); // progress goes to standard error
    await eventually("it is there all the same", async () => {
      const revision = (await stage.platform.json("GET", pathOf("revisions", "flags-00004"))) as {
        status?: { conditions?: { type: string; status: string }[] };
      };
      return revision.status?.conditions?.some((one) => one.type === "Ready" && one.status === "True");
    });
  });
});

describe("the commands for each noun", () => {
  test("-o json, yaml and name give what programs read", async () => {
    const nouns = { services: "Service", routes: "Route", configurations: "Configuration" };
    for (const [noun, kind] of Object.entries(nouns)) {
      const singular = kind === "Service" ? "service" : `${kind.toLowerCase()}.elafros.dev`;
      const [asJson, asName] = await Promise.all([
        output(`${noun} list -o json`),
        output(`${noun} describe flags -o name`),
      ]);
      const list = JSON.parse(asJson) as { kind: string; items: Named[] };
      expect([list.kind, list.items.map((one) => [one.kind, one.metadata.name])]).toEqual(["List", [[kind, "flags"]]]);
      expect(asName).toBe(`${singular}/flags\n`);
    }
    expect(parse(await output("routes list -o yaml"))).toMatchObject({ kind: "List", items: [{ kind: "Route" }] });
    const revisions = JSON.parse(await output("revisions list -o json")) as { items: Named[] };
    expect(revisions.items.map(({ metadata }) => metadata.name)).toEqual([4, 3, 2, 1].map((n) => `flags-0000${n}`));
    expect(await output("revisions describe v2 -o name")).toBe("revision.elafros.dev/flags-00002\n");
    expect(await output("secrets list -o name")).toBe("secret/db\n");
    expect(JSON.parse(await output("version -o json"))).toHaveProperty("server");
  });

  test("tables and descriptions are for people, secrets never shown", async () => {
    const url = `http://flags.default.localhost:${stage.platform.httpPort}`;
    expect(await output("services list")).toMatch(new RegExp(`^Name .*\nflags +${url} `));
    const [described, revision, secrets, asYaml] = await Promise.all([
      output("services describe flags"),
      output("revisions describe v1"),
      output("secrets list"),
      output("secrets list -o yaml"),
    ]);
    expect(described).toContain(`URL:        ${url}\n`);
    expect(described).toMatch(/^Revisions:\n +Name +Traffic +Id +Date +Deployer +Git SHA$/m);
    expect(described).toMatch(/^Events:$/m);
    expect(revision).toMatch(/^Ready: +True$/m);
    expect(secrets).toMatch(/^Name +Type +Keys +Age\ndb +Opaque +user,password /m);
    expect(`${secrets}${asYaml}`).not.toContain("hunter2");
  });

  test("logs -f --revision follows that revision's instances", async () => {
    const { K_REVISION = "" } = (JSON.parse(await ask("flags", "/info")) as Info).env;
    const env = { ...process.env, KUBECONFIG: stage.platform.kubeconfig };
    const following = background(elafros, ["logs", "-f", "--service", "flags", "--revision", K_REVISION], env);
    onTestFinished(() => void following.kill("SIGKILL"));
    let seen = "";
    following.stdout?.on("data", (part: Buffer) => (seen += part.toString()));
    await eventually("the log begins", async () => seen.includes("Listening on 9090"));
    await ask("flags", "/log?line=as-it-happens");
    await eventually("the new line comes", async () => seen.includes("as-it-happens\n"));
    expect(await output(`logs --revision ${K_REVISION} --tail 1`)).toContain("as-it-happens\n");
    following.kill("SIGINT");
    await eventually("it ends when interrupted", async () => following.exitCode !== null);
    expect(following.exitCode).toBe(130);
  });

  test("delete: what a Route names serves on; a service goes with all it has", async () => {
    const kept = await type("revisions delete v1 --service flags");
    expect(kept.code).toBe(0);
    const { env } = JSON.parse(await ask("flags", "/info")) as Info;
    const named = await type(`revisions delete ${env["K_REVISION"]}`);
    expect(named).toMatchObject({ code: 0 });
    expect(named.stderr).toContain('is still named by route "flags": it serves on, and goes once no route names it');
    await ask("flags", "/");
    expect(await output("services delete flags")).toBe("✓ Deleted service [flags]\n");
    expect(await output("secrets delete db")).toBe("✓ Deleted secret [db]\n");
    await eventually("all its Revisions are gone", async () => {
      const { items } = (await stage.platform.json("GET", pathOf("revisions"))) as { items: unknown[] };
      return items.length === 0;
    });
    expect((await stage.platform.ask("flags.default.localhost")).status).toBe(404);
  });

  test("the exit status tells a wrong command line from a failure", async () => {
    const cases: [string, number, string][] = [
      ["services describe nope", 1, 'There is no service "nope" in namespace "default"'],
      ["services list --kubeconfig /nowhere", 1, "/nowhere"],
      ["deploy --service other", 2, "--image"],
      ["deploy --port 0", 2, "whole number from 1 to 65535"],
      ["rollout next percent 101", 2, "0 to 100"],
      ["frobnicate", 2, "unknown command 'frobnicate'"],
    ];
    const results = await Promise.all(cases.map(([line]) => type(line)));
    for (const [index, [line, code, words]] of cases.entries()) {
      expect(results[index], line).toMatchObject({ code, stdout: "" });
      expect(results[index]?.stderr, line).toContain(words);
    }
  });

  test("completion bash loads in bash and completes commands and names", async () => {
    const script = `set -eu
source <(elafros completion bash)
complete -p elafros
COMP_WORDS=(elafros re) COMP_CWORD=1
_elafros elafros re elafros
printf '<%s>\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, PATH: `${dirname(elafros)}${delimiter}${process.env["PATH"] ?? ""}` };
    const result = await run("bash", ["--norc", "-c", script], { env, cwd: directory });
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout).toBe("complete -o default -F _elafros elafros\n<revisions>\n");
  });
});

/** A limit as the container's control group says it, of version 1 or 2. */
async function limit(host: string, files: readonly string[]): Promise<string> {
  for (const file of files) {
    const answer = await stage.platform.ask(`${host}.default.localhost`, `/file?path=/sys/fs/cgroup/${file}`);
    if (answer.status === 200) return answer.text.trim();
  }
  throw new Error(`The container sees none of ${files.join(", ")}`);
}
