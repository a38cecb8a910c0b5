/** An ssh server of the test's own: OpenSSH's sshd in the foreground, with its own keys and configuration, on a port of its own. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

import { onTestFinished } from "vitest";

import { eventually, freePort } from "./platform.ts";

const run = promisify(execFile);

export interface SshServer {
  port: number;
  /** `ssh://root@127.0.0.1:PORT`, to which absolute paths can be added. */
  url: string;
  /** The private key that may enter, and one that may not. */
  key: string;
  otherKey: string;
  /** Lines of known_hosts: the right one, and one with another key. */
  knownHosts: string;
  otherKnownHosts: string;
}

/** Starts one in a directory, on any free port unless given; it ends with the test. */
export async function sshServer(dir: string, given?: number): Promise<SshServer> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const keys = ["host", "other-host", "user", "other-user"];
  for (const name of keys)
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(dir, name)]);
  const read = (name: string) => readFile(join(dir, name), "utf8");
  await writeFile(join(dir, "authorized"), await read("user.pub"), { mode: 0o600 });
  const port = given ?? (await freePort());
  const config = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${join(dir, "host")}`,
    `AuthorizedKeysFile ${join(dir, "authorized")}`,
    "PidFile none",
    "UsePAM no",
    "StrictModes no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin prohibit-password",
  ];
  await writeFile(join(dir, "config"), `${config.join("\n")}\n`);
  await mkdir("/run/sshd", { recursive: true, mode: 0o755 }); // sshd's own, for its unprivileged part
  const child = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", join(dir, "config")], { stdio: "ignore" });
  onTestFinished(async () => {
    const ended = once(child, "exit");
    if (child.kill()) await ended;
  });
  await eventually("sshd answers", () => accepts(port));
  const known = async (name: string) =>
    `[127.0.0.1]:${port} ${(await read(`${name}.pub`)).split(" ").slice(0, 2).join(" ")}\n`;
  return {
    port,
    url: `ssh://root@127.0.0.1:${port}`,
    key: await read("user"),
    otherKey: await read("other-user"),
    knownHosts: await known("host"),
    otherKnownHosts: await known("other-host"),
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
