/**
 * A build's credentials as programs look for them: files of `HOME` for git, ssh, and everything that talks to registries. A pure function of the spec, for every
 * way in which steps are run. All lie in three directories of their own, so that they can be kept apart from what steps write.
 */
import type { BuildSpec, GitCredential } from "./builds.ts";
import type { RegistryAuth } from "./workloads.ts";

/** `HOME` of every step. */
export const buildHome = "/builder/home";

/** Directories of `HOME` that hold nothing but credentials. */
export const credentialDirectories = [".config/git", ".docker", ".ssh"] as const;

/** A file of `HOME`; only its owner may read it. */
export interface HomeFile {
  /** Relative to `HOME`. */
  path: string;
  data: string;
}

/**
 * The files for a spec's credentials.
 * @throws TypeError where a credential's URL or host is none
 */
export function homeFiles(spec: Pick<BuildSpec, "registryAuths" | "gitCredentials">): HomeFile[] {
  const { gitCredentials, registryAuths } = spec;
  const basic = gitCredentials.filter((one) => one.type === "basic");
  const ssh = gitCredentials.filter((one) => one.type === "ssh");
  return [...gitFiles(basic), ...sshFiles(ssh), ...dockerFiles(registryAuths)];
}

/** Variables that every step has besides `HOME`, because ssh asks the user database for it and not the environment. */
export function homeVariables(spec: Pick<BuildSpec, "gitCredentials">): { name: string; value: string }[] {
  if (!spec.gitCredentials.some((one) => one.type === "ssh")) return [];
  return [{ name: "GIT_SSH_COMMAND", value: `ssh -F ${buildHome}/.ssh/config` }];
}

type Basic = Extract<GitCredential, { type: "basic" }>;
type Ssh = Extract<GitCredential, { type: "ssh" }>;

/** A helper for each URL, in a configuration that git reads unless a step replaces it. The most exact URL comes first: git then asks that one alone. */
function gitFiles(credentials: readonly Basic[]): HomeFile[] {
  if (credentials.length === 0) return [];
  const known = credentials
    .map((one) => ({ ...one, parsed: gitUrl(one.url) }))
    .toSorted((a, b) => b.parsed.href.length - a.parsed.href.length);
  const stores = known.map(({ username, password, parsed }, index): HomeFile => {
    const user = [username, password].map((value) => encodeURIComponent(oneLine(value, parsed))).join(":");
    return { path: `.config/git/credentials-${index}`, data: `${parsed.protocol}//${user}@${parsed.host}\n` };
  });
  const config = known.map(({ parsed, ca }, index) => {
    const prefix = `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`.replace(/["\\]/g, "\\$&");
    const directory = `${buildHome}/.config/git`;
    const trust = ca === undefined ? "" : `[http "${prefix}"]\n\tsslCAInfo = ${directory}/ca-${index}.pem\n`;
    return `[credential "${prefix}"]\n\thelper = store --file=${directory}/credentials-${index}\n${trust}`;
  });
  const authorities = known.flatMap(({ ca }, index): HomeFile[] =>
    ca === undefined ? [] : [{ path: `.config/git/ca-${index}.pem`, data: line(ca) }],
  );
  return [{ path: ".config/git/config", data: config.join("") }, ...stores, ...authorities];
}

/** As files of Secrets end where an editor or `echo` made them. More lines would be read as something else by git's helper. */
function oneLine(value: string, { href }: URL): string {
  const text = value.replace(/(?:\r?\n)+$/, "");
  // oxlint-disable-next-line no-control-regex -- what separates fields for git
  if (!/[\u0000\r\n]/.test(text)) return text;
  throw new TypeError(`Cannot use git credentials for "${href}": username and password must be single lines`);
}

function gitUrl(url: string): URL {
  const written = /^[a-z][a-z0-9+.-]*:\/\//i.test(url) ? url : `https://${url}`;
  const parsed = URL.parse(written);
  // Git takes "*" in a host for any name.
  if (parsed === null || !["http:", "https:"].includes(parsed.protocol) || parsed.host.includes("*")) {
    throw new TypeError(
      `Cannot use git credentials for "${url}": give the URL of a server, as in https://git.example.com`,
    );
  }
  return parsed;
}

function sshFiles(credentials: readonly Ssh[]): HomeFile[] {
  if (credentials.length === 0) return [];
  const known = `${buildHome}/.ssh/known_hosts`;
  const blocks = credentials.map(({ host, knownHosts }, index) =>
    [
      `Host ${sshHost(host)}`,
      `  IdentityFile ${buildHome}/.ssh/key-${index}`,
      "  IdentitiesOnly yes",
      `  UserKnownHostsFile ${known}`,
      // Without known hosts the first connection of a build decides: there is nothing to compare with.
      `  StrictHostKeyChecking ${knownHosts === undefined ? "accept-new" : "yes"}`,
      "",
    ].join("\n"),
  );
  return [
    { path: ".ssh/config", data: blocks.join("") },
    { path: ".ssh/known_hosts", data: credentials.map((one) => line(one.knownHosts ?? "")).join("") },
    ...credentials.map(({ privateKey }, index) => ({ path: `.ssh/key-${index}`, data: line(privateKey) })),
  ];
}

/** The host as ssh is given it: without user and port. */
function sshHost(written: string): string {
  const host = written
    .replace(/^ssh:\/\//, "")
    .replace(/^[^@/]*@/, "")
    .replace(/[:/].*$/, "");
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(host)) {
    throw new TypeError(`Cannot use ssh credentials for "${written}": give the name of a host, as in git.example.com`);
  }
  return host;
}

/** Keys without their last newline aren't read by ssh. */
function line(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

function dockerFiles(auths: readonly RegistryAuth[]): HomeFile[] {
  if (auths.length === 0) return [];
  const entries = new Map<string, { auth: string }>();
  for (const { registry, username, password } of auths) {
    // Docker's own clients know their registry by this name alone.
    const name = /^(https?:\/\/)?(index\.)?docker\.io(\/v1)?\/?$/.test(registry)
      ? "https://index.docker.io/v1/"
      : registry;
    if (entries.has(name)) continue; // the first is the one that is tried first
    entries.set(name, { auth: Buffer.from(`${username}:${password}`, "utf8").toString("base64") });
  }
  return [{ path: ".docker/config.json", data: JSON.stringify({ auths: Object.fromEntries(entries) }) }];
}
