/** Looks at what this machine has and lacks, before anything is started or changed. */
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access, readFile, statfs } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { promisify } from "node:util";
import { portIsFree } from "./ports.ts";
import type { Finding } from "./types.ts";

/** Major and minor. */
type Version = readonly [number, number];

/** A program that Elafros runs, and the package that has it. */
interface Tool {
  /** Any one of these programs serves. */
  programs: string[];
  purpose: string;
  apt: string;
  dnf: string;
  /** Elafros runs without it, and not as well. */
  optional?: true;
  /** What doesn't work without it. */
  without?: string;
  /** The oldest that serves, as it prints after `version`. */
  oldest?: Version;
}

const tools: Tool[] = [
  { programs: ["conmon"], purpose: "monitors each container", apt: "conmon", dnf: "conmon" },
  { programs: ["crun", "runc"], purpose: "runs containers", apt: "runc", dnf: "crun" },
  { programs: ["podman"], purpose: "keeps and pulls images", apt: "podman", dnf: "podman" },
  { programs: ["skopeo"], purpose: "asks registries", apt: "skopeo", dnf: "skopeo" },
  { programs: ["ip"], purpose: "makes container networks", apt: "iproute2", dnf: "iproute" },
  { programs: ["nft"], purpose: "isolates container networks", apt: "nftables", dnf: "nftables" },
  { programs: ["dnsmasq"], purpose: "answers the containers' DNS questions", apt: "dnsmasq-base", dnf: "dnsmasq" },
  {
    programs: ["setpriv"],
    purpose: "takes root's rights from the gateway",
    apt: "util-linux",
    dnf: "util-linux",
    optional: true,
  },
  {
    programs: ["buildah"],
    purpose: "makes images of sources",
    apt: "buildah",
    dnf: "buildah",
    optional: true,
    without: "nothing is built from source",
    // The first with the storage of cache mounts outside of the image, which what is kept between builds relies on.
    oldest: [1, 27],
  },
  {
    programs: ["git"],
    purpose: "clones sources",
    apt: "git",
    dnf: "git",
    optional: true,
    without: "nothing is built from a git repository",
  },
  {
    programs: ["ssh"],
    purpose: "reaches git servers by ssh",
    apt: "openssh-client",
    dnf: "openssh-clients",
    optional: true,
    without: "nothing is built from a git repository behind ssh",
  },
];

const files = [
  { path: "/etc/containers/policy.json", purpose: "says which images may be pulled" },
  { path: "/usr/share/containers/seccomp.json", purpose: "confines containers' system calls" },
];

const run = promisify(execFile);
const wantedNode = 24;
const wantedFreeBytes = 1024 ** 3;

/** Every finding, good and bad, in the order of a person's interest. `dataDir` and `ports` are looked at where given. */
export async function doctor(options: { dataDir?: string; ports?: readonly string[] } = {}): Promise<Finding[]> {
  const install = await installer();
  return [
    rootFinding(),
    nodeFinding(),
    ...(await Promise.all(tools.map((tool) => toolFinding(tool, install)))),
    ...(await Promise.all(files.map((file) => fileFinding(file, install)))),
    await overlayFinding(),
    await cgroupFinding(),
    await firewallFinding(),
    ...(options.dataDir === undefined ? [] : [await diskFinding(options.dataDir)]),
    ...(await Promise.all((options.ports ?? []).map(portFinding))),
  ];
}

function rootFinding(): Finding {
  const ok = process.getuid?.() === 0;
  const found: Finding = {
    check: "root",
    ok,
    required: true,
    message: ok ? "runs as root" : "runs as an ordinary user",
  };
  return ok ? found : { ...found, fix: "sudo elafros up" };
}

function nodeFinding(): Finding {
  const major = Number(process.versions.node.split(".")[0]);
  const ok = major >= wantedNode;
  return {
    check: "node",
    ok,
    required: true,
    message: `version ${process.versions.node}, ${wantedNode} or newer is needed`,
  };
}

async function toolFinding(tool: Tool, install: Installer): Promise<Finding> {
  const check = tool.programs.join(" or ");
  const required = tool.optional !== true;
  for (const program of tool.programs) {
    const path = await findProgram(program);
    if (path === undefined) continue;
    if (tool.oldest === undefined) return { check, ok: true, required, message: path };
    const version = await versionOf(path);
    const ok = version !== undefined && isAtLeast(version, tool.oldest);
    const message = `${path} ${version === undefined ? "doesn't tell its version" : `is version ${version.join(".")}`}, ${tool.oldest.join(".")} or newer is needed`;
    return ok
      ? { check, ok, required, message }
      : { check, ok, required, message: message + consequence(tool), fix: install(tool) };
  }
  const message = `not found: it ${tool.purpose}${consequence(tool)}`;
  return { check, ok: false, required, message, fix: install(tool) };
}

const consequence = ({ without }: Tool): string => (without === undefined ? "" : `; without it, ${without}`);

async function versionOf(path: string): Promise<Version | undefined> {
  const { stdout } = await run(path, ["--version"]).catch(() => ({ stdout: "" }));
  const [, major, minor] = /\bversion (\d+)\.(\d+)/.exec(stdout) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor)];
}

const isAtLeast = ([major, minor]: Version, oldest: Version): boolean =>
  major > oldest[0] || (major === oldest[0] && minor >= oldest[1]);

async function fileFinding(file: { path: string; purpose: string }, install: Installer): Promise<Finding> {
  const ok = await canAccess(file.path, constants.R_OK);
  const message = ok ? file.path : `not found: it ${file.purpose}`;
  const found: Finding = { check: file.path, ok, required: true, message };
  return ok ? found : { ...found, fix: install({ apt: "golang-github-containers-common", dnf: "containers-common" }) };
}

async function overlayFinding(): Promise<Finding> {
  const filesystems = await readFile("/proc/filesystems", "utf8").catch(() => "");
  const ok = /\boverlay$/m.test(filesystems);
  const message = ok ? "known to the kernel" : "not known to the kernel (its module may not be loaded)";
  const found: Finding = { check: "overlay file system", ok, required: true, message };
  return ok ? found : { ...found, fix: "modprobe overlay" };
}

async function cgroupFinding(): Promise<Finding> {
  const v2 = await canAccess("/sys/fs/cgroup/cgroup.controllers", constants.R_OK);
  const v1 = await canAccess("/sys/fs/cgroup/memory", constants.R_OK);
  const ok = v1 || v2;
  const message = v2 ? "version 2" : v1 ? "version 1" : "no memory controller is mounted below /sys/fs/cgroup";
  return { check: "cgroups", ok, required: true, message };
}

/** Another firewall's "drop" can't be overruled by our "accept": packets need every table's leave. */
async function firewallFinding(): Promise<Finding> {
  const check = "firewall";
  const nft = await findProgram("nft");
  if (nft === undefined || process.getuid?.() !== 0)
    return { check, ok: true, required: false, message: "not looked at" };
  const { stdout } = await run(nft, ["list", "chains"]).catch(() => ({ stdout: "" }));
  const dropping = /hook (forward|input) [^}]*policy drop/.exec(stdout)?.[1];
  if (dropping === undefined) return { check, ok: true, required: false, message: "lets packets through by default" };
  const message = `drops packets of the ${dropping} chain by default (Docker and ufw do): instances may not reach ${dropping === "forward" ? "the internet" : "the gateway"} until it allows their bridge`;
  return { check, ok: false, required: false, message };
}

async function diskFinding(dataDir: string): Promise<Finding> {
  let directory = dataDir;
  while (!(await canAccess(directory, constants.F_OK))) directory = dirname(directory);
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  const ok = free >= wantedFreeBytes;
  const gigabytes = (free / 1024 ** 3).toFixed(1);
  return {
    check: `disk of ${dataDir}`,
    ok,
    required: false,
    message: `${gigabytes} GiB free, at least 1 GiB is advised`,
  };
}

async function portFinding(address: string): Promise<Finding> {
  const check = `port ${address}`;
  if (await portIsFree(address)) return { check, ok: true, required: true, message: "free" };
  const message = "in use by another process";
  return { check, ok: false, required: true, message, fix: "choose another with --api or --http" };
}

type Installer = (packages: { apt: string; dnf: string }) => string;

/** The command that installs a package on this distribution. */
async function installer(): Promise<Installer> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  if (/^ID(_LIKE)?=.*\b(fedora|rhel|centos)\b/m.test(release)) return ({ dnf }) => `dnf install -y ${dnf}`;
  return ({ apt }) => `apt-get install -y --no-install-recommends ${apt}`;
}

/** The path of a program on PATH or in the system's own directories; undefined where there is none. */
export async function findProgram(name: string): Promise<string | undefined> {
  const directories = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/local/sbin", "/usr/sbin", "/sbin"];
  for (const directory of directories) {
    const path = join(directory, name);
    if (directory !== "" && (await canAccess(path, constants.X_OK))) return path;
  }
  return undefined;
}

async function canAccess(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
