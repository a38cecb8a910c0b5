import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { buildHome, homeFiles, homeVariables } from "./build-home.ts";
import type { GitCredential } from "./builds.ts";

const run = promisify(execFile);
let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "elafros-home-"));
});
afterEach(() => rm(home, { recursive: true }));

/** Writes the files as a build would have them, but below `home`. */
async function write(gitCredentials: GitCredential[]): Promise<void> {
  for (const { path, data } of homeFiles({ gitCredentials, registryAuths: [] })) {
    await mkdir(dirname(join(home, path)), { recursive: true });
    await writeFile(join(home, path), data.replaceAll(buildHome, home), { mode: 0o600 });
  }
}

/** What git itself finds for a URL; undefined where it finds nothing. */
async function gitFinds(url: string): Promise<string | undefined> {
  const env = {
    PATH: process.env["PATH"],
    HOME: home,
    GIT_TERMINAL_PROMPT: "0",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_ASKPASS: "",
  };
  const asked = run("git", ["credential", "fill"], { env, cwd: home });
  asked.child.stdin?.end(`url=${url}\n\n`);
  const { stdout } = await asked.catch(() => ({ stdout: "" }));
  const values = Object.fromEntries(stdout.split("\n").map((each) => each.split(/=(.*)/s).slice(0, 2)));
  return values["password"] === undefined ? undefined : `${values["username"]}:${values["password"]}`;
}

const basic = (url: string, username: string, password: string): GitCredential => ({
  type: "basic",
  url,
  username,
  password,
});

test("homeFiles() has git trust a credential's authorities for its server, and for no other", async () => {
  await write([{ type: "basic", url: "https://git.example.com", username: "u", password: "p", ca: "PEM" }]);
  const asked = async (url: string) => {
    const env = { PATH: process.env["PATH"], HOME: home, GIT_CONFIG_NOSYSTEM: "1" };
    return run("git", ["config", "--get-urlmatch", "http.sslCAInfo", url], { env, cwd: home }).then(
      ({ stdout }) => stdout.trim(),
      () => undefined,
    );
  };
  const file = await asked("https://git.example.com/team/x.git");
  expect(file).toBe(join(home, ".config/git/ca-0.pem"));
  expect(await readFile(file ?? "", "utf8")).toBe("PEM\n");
  expect(await asked("https://other.example.com/x.git")).toBeUndefined();
});

test("homeFiles() lets git find the credentials of the most exact URL, and none for other servers", async () => {
  await write([
    basic("https://git.example.com", "all", "one"),
    basic("https://git.example.com/team", "team", "p:w@/ %"),
    basic("other.example.com:8443", "other", "two"),
    basic("http://127.0.0.1:3000/", "plain", "three"),
  ]);
  expect(await gitFinds("https://git.example.com/x.git")).toBe("all:one");
  expect(await gitFinds("https://git.example.com/team/x.git")).toBe("team:p:w@/ %");
  expect(await gitFinds("https://git.example.com/teams/x.git")).toBe("all:one");
  expect(await gitFinds("https://other.example.com:8443/x")).toBe("other:two");
  expect(await gitFinds("https://other.example.com/x")).toBeUndefined();
  expect(await gitFinds("http://127.0.0.1:3000/x")).toBe("plain:three");
  expect(await gitFinds("https://127.0.0.1:3000/x")).toBeUndefined();
});

test("homeFiles() gives ssh its key and known hosts for that host alone", async () => {
  const credentials: GitCredential[] = [
    {
      type: "ssh",
      host: "git@one.example.com:2222",
      privateKey: "KEY ONE",
      knownHosts: "one.example.com ssh-ed25519 AAAA",
    },
    { type: "ssh", host: "two.example.com", privateKey: "KEY TWO\n" },
  ];
  await write(credentials);
  const config = async (host: string) => (await run("ssh", ["-F", join(home, ".ssh/config"), "-G", host])).stdout;
  expect(await config("one.example.com")).toContain(`identityfile ${home}/.ssh/key-0\n`);
  expect(await config("one.example.com")).toContain("stricthostkeychecking true\n");
  expect(await config("two.example.com")).toContain(`identityfile ${home}/.ssh/key-1\n`);
  expect(await config("two.example.com")).toContain("stricthostkeychecking accept-new\n");
  expect(await config("three.example.com")).not.toContain("key-");
  const files = new Map(
    homeFiles({ gitCredentials: credentials, registryAuths: [] }).map((one) => [one.path, one.data]),
  );
  expect(files.get(".ssh/key-0")).toBe("KEY ONE\n");
  expect(files.get(".ssh/known_hosts")).toBe("one.example.com ssh-ed25519 AAAA\n");
  expect(homeVariables({ gitCredentials: credentials })).toEqual([
    { name: "GIT_SSH_COMMAND", value: "ssh -F /builder/home/.ssh/config" },
  ]);
});

test.each(["bad host", "x\nProxyCommand evil", "*", "-oProxyCommand=evil", ""])(
  "homeFiles() refuses %j as an ssh host",
  (host) => {
    const gitCredentials: GitCredential[] = [{ type: "ssh", host, privateKey: "k" }];
    expect(() => homeFiles({ gitCredentials, registryAuths: [] })).toThrow(`Cannot use ssh credentials for "${host}"`);
  },
);

test.each(["ftp://x", "https://", "ssh://git@x", "https://*", "*.example.com"])(
  "homeFiles() refuses %j as a server's URL",
  (url) => {
    expect(() => homeFiles({ gitCredentials: [basic(url, "u", "p")], registryAuths: [] })).toThrow(
      "give the URL of a server",
    );
  },
);

test("homeFiles() takes Secrets whose values end in a newline, and none with more lines", async () => {
  await write([basic("https://git.example.com", "u\r\n", "p\n\n")]);
  expect(await gitFinds("https://git.example.com/x")).toBe("u:p");
  for (const value of ["a\nb", "a\0b", "a\rhost=evil"]) {
    const gitCredentials = [basic("https://git.example.com", "u", value)];
    expect(() => homeFiles({ gitCredentials, registryAuths: [] })).toThrow("must be single lines");
  }
});

test("homeFiles() writes nothing into git's configuration but what it means, whatever the values", async () => {
  const odd = ["a", "b", "\n", "\r", '"', "\\", "]", "[", "=", "#", ";", " ", "\0", "%0a", "/", "@", ":", "ü", "*"];
  const text = fc.string({ unit: fc.constantFrom(...odd) });
  const url = fc.tuple(fc.constantFrom("https://", "http://", ""), fc.constantFrom("h.example", "h"), text);
  const file = join(home, "config");
  await fc.assert(
    fc.asyncProperty(url, text, text, async (where, username, password) => {
      let files;
      try {
        files = homeFiles({ gitCredentials: [basic(where.join(""), username, password)], registryAuths: [] });
      } catch (error) {
        expect((error as Error).message).toContain("Cannot use git credentials for");
        return;
      }
      const [config, store, ...more] = files;
      expect(more).toEqual([]);
      await writeFile(file, config?.data ?? "");
      const { stdout } = await run("git", ["config", "--file", file, "--list", "-z"]);
      const entries = stdout.split("\0").filter((each) => each !== "");
      expect(entries).toHaveLength(1);
      const [key = ""] = entries[0]?.split("\n") ?? [];
      expect(key).toMatch(/^credential\.https?:\/\/.*\.helper$/);
      expect(store?.data.trimEnd().split("\n")).toHaveLength(1);
      // The password goes to the host that the configuration names.
      const { host } = new URL(key.slice("credential.".length, -".helper".length));
      expect(new URL(store?.data ?? "").host).toBe(host);
    }),
    { numRuns: 60 },
  );
}, 60_000);

test("homeFiles() writes registries' credentials as docker does, the first of each", () => {
  const registryAuths = [
    { registry: "docker.io", username: "d", password: "1" },
    { registry: "r.example.com/team", username: "t", password: "2" },
    { registry: "r.example.com/team", username: "late", password: "3" },
  ];
  const [file, ...more] = homeFiles({ gitCredentials: [], registryAuths });
  expect(more).toEqual([]);
  expect(file?.path).toBe(".docker/config.json");
  expect(JSON.parse(file?.data ?? "")).toEqual({
    auths: { "https://index.docker.io/v1/": { auth: "ZDox" }, "r.example.com/team": { auth: "dDoy" } },
  });
  expect(homeFiles({ gitCredentials: [], registryAuths: [] })).toEqual([]);
});
