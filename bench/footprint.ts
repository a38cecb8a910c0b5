/**
 * What the platform itself takes when nothing happens: proportional set size (PSS, from /proc/PID/smaps_rollup) of all its processes and
 * their share of a core, with 1 and with 100 services, each with one instance that runs, and with 100 at zero. The instances' monitors (conmon) are told
 * apart; the instances themselves are the user's, but not those that are prepared and wait. Promise: 100 services at zero take at most 150 MiB and
 * 1 % of a core, and each prepared instance 5 MiB more.
 *
 * usage: npm run bench -- footprint [--services N] [--seconds N]
 */
import { readFile, readdir } from "node:fs/promises";
import { parseArgs } from "node:util";
import { makeImages } from "../test/support/images.ts";
import { eventually, startPlatform, type TestPlatform } from "../test/support/platform.ts";
import { startRegistry } from "../test/support/registry.ts";

const { values } = parseArgs({
  options: { services: { type: "string", default: "100" }, seconds: { type: "string", default: "20" } },
});
const base = "/apis/elafros.dev/v1alpha1/namespaces/default";
/** USER_HZ: what the kernel counts CPU time in for user space. */
const ticksPerSecond = 100;

const registry = await startRegistry();
const images = await makeImages(registry);
const platform = await startPlatform();
try {
  await create(platform, 1, 1);
  await report(platform, 1);
  await create(platform, 2, Number(values.services));
  await report(platform, Number(values.services));
  await atZero(platform);
  await report(platform, Number(values.services), "at zero");
} finally {
  await platform.purge();
  await registry.close();
}

async function create(platform: TestPlatform, from: number, to: number): Promise<void> {
  const container = { image: images["busybox:1"] };
  for (let index = from; index <= to; index += 1) {
    const name = `s${index}`;
    const traffic = [{ configurationName: name, percent: 100 }];
    const spec = { revisionTemplate: { spec: { container } } };
    await post(platform, "Configuration", { name, spec });
    await post(platform, "Route", { name, spec: { rollout: { traffic } } });
  }
  await eventually(
    `all ${to} services are ready`,
    async () => {
      const { items } = (await platform.json("GET", `${base}/routes`)) as {
        items: { status?: { conditions?: { type: string; status: string }[] } }[];
      };
      const ready = items.filter(({ status }) =>
        status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"),
      );
      return ready.length === to;
    },
    { timeoutMs: 300_000, everyMs: 500 },
  );
}

async function post(
  platform: TestPlatform,
  kind: string,
  { name, spec }: { name: string; spec: object },
): Promise<void> {
  const object = { apiVersion: "elafros.dev/v1alpha1", kind, metadata: { name }, spec };
  const answer = await platform.call("POST", `${base}/${kind.toLowerCase()}s`, JSON.stringify(object));
  if (answer.status !== 201) throw new Error(`${kind} "${name}" was answered with ${answer.status}: ${answer.text}`);
}

/** After the stable window and what follows it, nothing runs. */
async function atZero(platform: TestPlatform): Promise<void> {
  const none = async () => {
    const { items } = (await platform.json("GET", "/api/v1/namespaces/default/pods")) as { items: unknown[] };
    return items.length === 0;
  };
  await eventually("no instance runs", none, { timeoutMs: 600_000, everyMs: 1_000 });
}

async function report(platform: TestPlatform, services: number, how: "running" | "at zero" = "running"): Promise<void> {
  // Let what was allocated while creating be collected.
  await pause(10_000);
  const seconds = Number(values.seconds);
  console.log(`\n${services} service${services === 1 ? "" : "s"} ${how}, idle for ${seconds} s:`);
  const names = ["supervisor", "control", "gateway", "dns"];
  const pids = await Promise.all(names.map((name) => platform.pid(name)));
  const before = await Promise.all(pids.map(cpuTicks));
  await pause(seconds * 1_000);
  const after = await Promise.all(pids.map(cpuTicks));
  let [bytes, cpu] = [0, 0];
  for (const [index, pid] of pids.entries()) {
    const pss = await pssBytes(pid);
    const share = ((after[index] ?? 0) - (before[index] ?? 0)) / ticksPerSecond / seconds;
    bytes += pss;
    cpu += share;
    console.log(`  ${(names[index] ?? "").padEnd(12)} ${mebibytes(pss)} MiB   ${(share * 100).toFixed(2)} % of a core`);
  }
  const monitors = await conmonPids(platform.dataDir);
  const monitored = await pssOfAll(monitors);
  console.log(`  together     ${mebibytes(bytes)} MiB   ${(cpu * 100).toFixed(2)} % of a core`);
  console.log(`  conmon       ${mebibytes(monitored)} MiB in ${monitors.length} processes`);
  if (how === "running") return;
  const waiting = (await Promise.all(monitors.map(children))).flat();
  console.log(
    `  prepared     ${mebibytes(monitored + (await pssOfAll(waiting)))} MiB in ${monitors.length} instances, conmon too`,
  );
}

async function pssBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}

async function pssOfAll(pids: number[]): Promise<number> {
  return (await Promise.all(pids.map(pssBytes))).reduce((sum, each) => sum + each, 0);
}

async function children(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return text
    .split(" ")
    .filter((each) => each !== "")
    .map(Number);
}

/** User and system time of a process, from fields 14 and 15 of /proc/PID/stat. */
async function cpuTicks(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function conmonPids(dataDir: string): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const command = await readFile(`/proc/${entry}/cmdline`, "utf8").catch(() => "");
    if (/(^|\/)conmon\0/.test(command) && command.includes(dataDir)) found.push(Number(entry));
  }
  return found;
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 ** 2).toFixed(1).padStart(6);
}

function pause(ms: number): Promise<void> {
  return new Promise((wake) => setTimeout(wake, ms));
}
