/** A real registry (Debian's docker-registry) on a free loopback port, with files of its own that go with it. */
import { execFile, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface RegistryOptions {
  /** Speaks HTTPS, with a certificate for 127.0.0.1 and localhost by a CA of its own. */
  tls?: boolean;
  /** Answers this user alone. */
  auth?: { username: string; password: string };
  /** Gives everything to whoever has a token of `tokenServer`. */
  token?: { realm: string; service: string; issuer: string; rootcertbundle: string };
  /** Keeps its files there, and leaves them on close; a directory of its own unless given. */
  directory?: string;
  /** Listens there instead of `127.0.0.1:0`: for starting again where one was. */
  address?: string;
  /** Runs in this network namespace (`ip netns`), on `address`. */
  netns?: string;
}

export interface TestRegistry {
  /** `127.0.0.1:PORT`, the start of image names. */
  host: string;
  /** The registry's files: `docker/registry/v2` is below. */
  directory: string;
  /** The CA's certificate, PEM, where it speaks HTTPS. */
  ca: string | undefined;
  /** Ends it. Its files stay until `close`. */
  stop(): Promise<void>;
  /** Ends it and removes its files. */
  close(): Promise<void>;
}

/** Starts a registry and waits until it listens. */
export async function startRegistry(options: RegistryOptions = {}): Promise<TestRegistry> {
  const own = await mkdtemp(join(tmpdir(), "elafros-registry-"));
  const directory = options.directory ?? join(own, "data");
  const address = options.address ?? "127.0.0.1:0";
  const tls = options.tls === true ? await makeCertificate(own, address.slice(0, address.lastIndexOf(":"))) : undefined;
  const config: Record<string, unknown> = {
    version: "0.1",
    log: { level: "info", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: directory }, delete: { enabled: true } },
    http: {
      addr: address,
      ...(tls === undefined ? {} : { tls: { certificate: tls.certificate, key: tls.key } }),
    },
  };
  if (options.auth !== undefined) {
    const { stdout } = await run("htpasswd", ["-Bbn", options.auth.username, options.auth.password]);
    await writeFile(join(own, "htpasswd"), stdout);
    config["auth"] = { htpasswd: { realm: "elafros-test", path: join(own, "htpasswd") } };
  }
  if (options.token !== undefined) config["auth"] = { token: options.token };
  const file = join(own, "config.yml");
  await writeFile(file, JSON.stringify(config)); // JSON is YAML
  // Ends with this process, however that ends.
  const command = ["setpriv", "--pdeathsig", "KILL", "--", "docker-registry", "serve", file];
  const [program = "", ...args] =
    options.netns === undefined ? command : ["ip", "netns", "exec", options.netns, ...command];
  // It reads REGISTRY_… as settings, and REGISTRY_AUTH_FILE, which means something else to podman, as a wrong one.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("REGISTRY_")));
  const child = spawn(program, args, { env, stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const host = await listening(child).catch(async (error: unknown) => {
    await rm(own, { recursive: true });
    throw error;
  });
  const stop = async () => {
    child.kill("SIGKILL");
    await ended;
  };
  return {
    host,
    directory,
    ca: tls?.ca,
    stop,
    close: async () => {
      await stop();
      await rm(own, { recursive: true, force: true });
    },
  };
}

/** The address that it says it listens on; it writes nothing else that names one. */
function listening(child: ReturnType<typeof spawn>): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      output = (output + text).slice(-65_536);
      const address = /listening on ([\d.]+:\d+)/u.exec(output)?.[1];
      if (address !== undefined) resolve(address);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`docker-registry ended with ${code}: ${output}`)));
  });
}

/** A CA's certificate and key, and those of a server of that address, as files in `dir`. */
export async function makeCertificate(dir: string, address: string) {
  const path = (name: string) => join(dir, name);
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  await run("openssl", [
    "req",
    "-x509",
    ...key,
    "-subj",
    "/CN=elafros test CA",
    "-keyout",
    path("ca.key"),
    "-out",
    path("ca.crt"),
  ]);
  const names = `subjectAltName=DNS:localhost,IP:${address}`;
  const signed = [
    "-CA",
    path("ca.crt"),
    "-CAkey",
    path("ca.key"),
    "-addext",
    names,
    "-addext",
    "basicConstraints=CA:FALSE",
  ];
  await run("openssl", [
    "req",
    "-x509",
    ...key,
    ...signed,
    "-subj",
    "/CN=registry",
    "-keyout",
    path("tls.key"),
    "-out",
    path("tls.crt"),
  ]);
  return { certificate: path("tls.crt"), key: path("tls.key"), ca: path("ca.crt"), caKey: path("ca.key") };
}
