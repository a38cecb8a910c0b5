/**
 * Plays the normative examples, scenarios 2, 1, 3, 4 and 5, on a real platform with real containers, printing each step, and leaves everything
 * running. Run it by `npm run demo`, which sets up what is missing first; `npm run demo -- --stop` ends it and removes every trace.
 */
import { execFile, spawn } from "node:child_process";
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import http from "node:http";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

const root = resolve(import.meta.dirname, "..");
const elafros = join(root, "bin/elafros");
const dataDir = process.env["ELAFROS_DEMO_DIR"] ?? "/var/lib/elafros-demo";
const registryPidFile = join(dataDir, "demo-registry.pid");
const domain = "mydomain.com";
const gateway = { host: "127.0.0.1", port: 8088 };
const api = "127.0.0.1:6444";
const registryAddress = "127.0.0.1:5088";
const run = promisify(execFile);

async function main(): Promise<void> {
  if (process.argv.includes("--stop")) return stop();
  const startedAt = Date.now();
  heading("Two sample images, made from what is on this machine, in a registry of their own");
  const images = await startRegistry();
  say(`app:1 and app:2 are in the registry ${registryAddress}`);

  heading("The platform: one command");
  const flags = ["--data-dir", dataDir, "--api", api, "--http", `${gateway.host}:${gateway.port}`];
  await command(["up", ...flags, "--domain", domain, "--region", "us-central1", "--detach"]);

  heading("Scenario 2: create a service from a pre-built container");
  await deploy(["--region", "us-central1", "--image", images.first, "--env", "FOO=bar", "--env", "HELLO=world"]);
  await ask("my-service.default");

  heading("Scenario 1: a new image, rolled out by itself");
  await deploy(["--image", images.second]);
  await ask("my-service.default");

  heading("Scenario 3: a changed setting, rolled out by hand");
  await command(["rollout", "strategy", "manual", "--service", "my-service"]);
  await deploy(["--env", "HELLO=blurg"]);
  await command(["revisions", "list", "--service", "my-service"]);
  await ask("my-service.default");
  await ask("next.my-service.default");
  for (const step of [["next", "percent", "5"], ["next", "percent", "50"], ["finish"]]) {
    await command(["rollout", ...step, "--service", "my-service"]);
    await count("my-service.default");
  }
  await command(["revisions", "list", "--service", "my-service"]);

  heading("Scenario 4: a new revision from source, a folder with a Node.js app and its dependencies");
  say("Base images for builds are made from Debian's packages, so that none has to be downloaded from a registry:");
  await command(["templates", "stand-ins", "--only", "node", "--data-dir", dataDir]);
  await command(["rollout", "strategy", "automatic", "--service", "my-service"]);
  await command(["deploy", "--service", "my-service"], await folder("express"));
  await askText("my-service.default", "/");

  heading("Scenario 5: a function, one file with one exported handler");
  await command(["deploy", "--function", "index", "--service", "my-function"], await folder("function"));
  await askText("my-function.default", "/?name=you");

  heading(`Done in ${((Date.now() - startedAt) / 1000).toFixed(0)} s. It goes on running`);
  say(`Ask it:          curl -H 'Host: my-service.default.${domain}' http://${gateway.host}:${gateway.port}/`);
  say(`Use the CLI:     ${elafros} revisions list --service my-service --kubeconfig ${dataDir}/kubeconfig`);
  say(`Use kubectl:     kubectl --kubeconfig ${dataDir}/kubeconfig get routes,configurations,revisions,pods`);
  say(
    `Deploy again:    ${elafros} deploy --service my-service --image ${images.first} --kubeconfig ${dataDir}/kubeconfig`,
  );
  say(`From source:     cd examples/express && ${elafros} deploy --service mine --kubeconfig ${dataDir}/kubeconfig`);
  say(`Stop it:         npm run demo -- --stop`);
}

/** Runs `elafros` where people see what it prints, in a directory that has no memory of an earlier service. */
async function command(args: readonly string[], cwd: string = dataDir): Promise<void> {
  console.log(`$ elafros ${args.join(" ")}`);
  const child = spawn(elafros, args, {
    stdio: "inherit",
    cwd,
    env: { ...process.env, KUBECONFIG: join(dataDir, "kubeconfig") },
  });
  const code = await new Promise((done) => child.once("exit", done));
  if (code !== 0) throw new Error(`"elafros ${args.join(" ")}" ended with ${String(code)}: see ${dataDir}/logs`);
}

function deploy(args: readonly string[]): Promise<void> {
  return command(["deploy", "--service", "my-service", ...args]);
}

/** One request through the gateway, as curl would send it. */
async function ask(host: string): Promise<void> {
  console.log(`$ curl -H 'Host: ${host}.${domain}' http://${gateway.host}:${gateway.port}/info`);
  const { version, env } = await info(host);
  console.log(`  app version ${version}, FOO=${env["FOO"]}, HELLO=${env["HELLO"]}`);
}

/** The same, of a service that answers with text. */
async function askText(host: string, path: string): Promise<void> {
  console.log(`$ curl -H 'Host: ${host}.${domain}' 'http://${gateway.host}:${gateway.port}${path}'`);
  console.log(`  ${(await get(host, path)).trim()}`);
}

/** A copy of an example's folder, in which the CLI may remember what was deployed. */
async function folder(example: string): Promise<string> {
  const copy = join(dataDir, "demo", example);
  await rm(copy, { recursive: true, force: true });
  await cp(join(root, "examples", example), copy, { recursive: true });
  return copy;
}

/** A hundred requests, and who answered them. */
async function count(host: string): Promise<void> {
  const answers = new Map<string, number>();
  for (let turn = 0; turn < 100; turn += 1) {
    const hello = (await info(host)).env["HELLO"] ?? "";
    answers.set(hello, (answers.get(hello) ?? 0) + 1);
  }
  const text = [...answers].map(([hello, times]) => `${times} × HELLO=${hello}`).join(", ");
  console.log(`  100 requests to ${host}.${domain}: ${text}`);
}

async function info(host: string): Promise<{ version: string; env: Record<string, string> }> {
  return JSON.parse(await get(host, "/info")) as { version: string; env: Record<string, string> };
}

function get(host: string, path: string): Promise<string> {
  return new Promise((done, reject) => {
    const outgoing = http.get({ ...gateway, path, headers: { host: `${host}.${domain}` } }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("error", reject);
      response.on("end", () => {
        if (response.statusCode === 200) done(text);
        else reject(new Error(`${host} answered ${response.statusCode}: ${text}`));
      });
    });
    outgoing.on("error", reject);
  });
}

/** The registry outlives this program, so that the service can be deployed again: it runs as a process of its own. */
async function startRegistry(): Promise<{ first: string; second: string }> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  await stopRegistry();
  const program = join(root, "scripts/demo-registry.ts");
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, registryAddress], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const line = await new Promise<string>((done, reject) => {
    child.stdout.once("data", (part: Buffer) => done(part.toString()));
    child.once("exit", (code) => reject(new Error(`The demo's registry ended with ${String(code)}`)));
  });
  await writeFile(registryPidFile, String(child.pid));
  child.stdout.destroy();
  child.unref();
  return JSON.parse(line) as { first: string; second: string };
}

async function stopRegistry(): Promise<void> {
  const pid = Number(await readFile(registryPidFile, "utf8").catch(() => "0"));
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  if (commandLine.includes("demo-registry")) process.kill(pid, "SIGTERM");
}

async function stop(): Promise<void> {
  await stopRegistry();
  const { stdout } = await run(elafros, ["down", "--purge", "--data-dir", dataDir]);
  process.stdout.write(stdout);
}

function heading(text: string): void {
  console.log(`\n=== ${text}\n`);
}

function say(text: string): void {
  console.log(text);
}

main().catch((error: unknown) => {
  console.error(`\nThe demo stopped: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(1);
});
