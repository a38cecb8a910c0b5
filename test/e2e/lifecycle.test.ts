/** The life of an installation on its machine: what `up`, `down` and a reboot bring back, and that nothing of it is left where nothing should be. */
import { once } from "node:events";
import { access, constants, mkdir, readFile, rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageCache } from "../support/images.ts";
import { differences, type Machine, removeControlGroups, startMachine } from "../support/machine.ts";
import { elafros, eventually } from "../support/platform.ts";

interface Status {
  running: boolean;
  processes: { name: string; pid: number; since: string; version: string; running: boolean }[];
  instances: { id: string; namespace: string; revision: string; phase: string; restarts: number }[];
  problems: string[];
}

const top = `/var/tmp/elafros-life-${process.pid}`;
let machine: Machine;

beforeAll(async () => {
  process.env["CONTAINERS_STORAGE_CONF"] = (await imageCache()).storageConf;
  await mkdir(top);
  machine = await startMachine(top);
});

afterAll(async () => {
  await machine?.crash();
  await removeControlGroups(...["one", "two", "three", "four"].map((name) => join(top, name)));
  await rm(top, { recursive: true, force: true });
});

/** An installation in a directory of its own; the number makes its ports. */
function installation(name: string, number: number) {
  const dir = join(top, name);
  const [api, http] = [`127.0.0.1:${7000 + number}`, `127.0.0.1:${8000 + number}`];
  const flags = ["--data-dir", dir];
  const succeed = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await machine.elafros(...args);
    expect(code, `${args.join(" ")}: ${stdout}${stderr}`).toBe(0);
    return stdout;
  };
  const self = {
    dir,
    api,
    http,
    up: () => machine.elafros("up", ...flags, "--api", api, "--http", http, "--detach"),
    start: () => succeed("up", ...flags, "--api", api, "--http", http, "--detach"),
    down: (...more: string[]) => succeed("down", ...flags, ...more),
    deploy: (service: string) =>
      succeed("deploy", "--service", service, "--image", "localhost/app:1", "--kubeconfig", join(dir, "kubeconfig")),
    status: async (): Promise<Status> =>
      JSON.parse((await machine.elafros("status", ...flags, "-o", "json")).stdout) as Status,
    ask: async (service: string): Promise<string> => {
      const host = `Host: ${service}.default.localhost`;
      return (await machine.run("curl", ["-sS", "--max-time", "30", "-H", host, `http://${http}/`])).stdout.trim();
    },
    serves: (service: string) =>
      eventually(`${service} answers`, async () => (await self.ask(service)) === "Hello World from 1", {
        timeoutMs: 60_000,
        everyMs: 100,
      }),
    revisions: () => succeed("revisions", "list", "--all", "-o", "name", "--kubeconfig", join(dir, "kubeconfig")),
    pid: async (name: string): Promise<number> =>
      (await self.status()).processes.find((each) => each.name === name)?.pid ?? 0,
  };
  return self;
}

describe("an installation", () => {
  const one = installation("one", 1);
  let empty: Record<string, string[]>;
  /** What is left on the machine, apart from the data directory. */
  const leftOutside = async () =>
    differences(empty, await machine.state(one.dir)).filter((line) => !line.startsWith(`+ files: ${one.dir}`));

  test("up says in one line where it serves, deploy works, status tells", async () => {
    empty = await machine.state(one.dir);
    const line = await one.start();
    expect(line).toMatch(/^Elafros serves since \S+ \([\d.]+ s\): API https:\/\/127\.0\.0\.1:7001, gateway .*\n$/);
    await one.deploy("app");
    expect(await one.ask("app")).toBe("Hello World from 1");
    const status = await eventually("status shows the instance", async () => {
      const seen = await one.status();
      return seen.instances.length > 0 && seen;
    });
    expect(status).toMatchObject({ running: true, problems: [] });
    // What is looked at to find out what is left does show what there is.
    const kinds = new Set((await leftOutside()).map((line) => /^\+ (\w+):/.exec(line)?.[1]));
    for (const kind of ["processes", "mounts", "networkNamespaces", "links", "firewall", "controlGroups"]) {
      expect(kinds).toContain(kind);
    }
    expect(status.processes.map(({ name }) => name)).toEqual(["supervisor", "dns", "control", "gateway"]);
    for (const { pid, since, running } of status.processes) {
      expect(pid).toBeGreaterThan(1);
      expect(since).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      expect(running).toBe(true);
    }
    expect(status.instances).toMatchObject([
      { namespace: "default", revision: "app-00001", phase: "ready", restarts: 0 },
    ]);
  });

  test("a second up on the directory says so and changes nothing", async () => {
    const [before, config] = [await one.status(), await readFile(join(one.dir, "config.json"), "utf8")];
    const { code, stdout } = await machine.elafros("up", "--data-dir", one.dir, "--http", "127.0.0.1:9999", "--detach");
    expect(code).toBe(0);
    expect(stdout).toContain(`Elafros already runs on ${one.dir} (pid ${await one.pid("supervisor")})`);
    expect(stdout).toContain("Nothing was changed");
    expect((await one.status()).processes).toEqual(before.processes);
    expect(await readFile(join(one.dir, "config.json"), "utf8")).toBe(config);
  });

  test("a second installation runs beside it, and its end doesn't touch the first", async () => {
    const two = installation("two", 2);
    const before = await machine.state(two.dir);
    await two.start();
    await two.deploy("app");
    await two.deploy("other");
    expect(await two.ask("other")).toBe("Hello World from 1");
    expect(await one.ask("other")).toContain("No service has this host name");
    await two.down("--purge");
    // podman makes it whenever it runs, and removes it never; whoever goes takes it away where it is empty.
    const changed = differences(before, await machine.state(two.dir));
    expect(changed.filter((line) => !line.startsWith("- temporaryFiles: /run/containers"))).toEqual([]);
    expect(await one.ask("app")).toBe("Hello World from 1");
    expect((await one.status()).instances).toMatchObject([{ restarts: 0 }]);
  });

  test("down leaves nothing but the directory, and up brings every service back", async () => {
    expect(await one.down()).toContain("Its services come back with: elafros up");
    expect(await leftOutside()).toEqual([]);
    expect(await one.status()).toMatchObject({ running: false, problems: [expect.stringContaining("is stopped")] });
    await one.start();
    await one.serves("app");
  });

  test.each(["as the machine left it", "wiped"])(
    "a reboot brings every service back, the run directory %s",
    async (run) => {
      await machine.crash();
      if (run === "wiped") await rm(join(one.dir, "run"), { recursive: true });
      machine = await startMachine(top);
      const { processes, running } = await one.status();
      expect(running).toBe(false);
      expect(processes.filter((each) => each.running)).toEqual([]);
      await one.start();
      await one.serves("app");
      // It is written down a moment after it serves.
      await expect.poll(() => one.status()).toMatchObject({ running: true, instances: [{ revision: "app-00001" }] });
    },
  );

  test("down ends everything also where the supervisor was killed, and up brings it back", async () => {
    await machine.run("kill", ["-KILL", String(await one.pid("supervisor"))]);
    expect(await one.ask("app")).toBe("Hello World from 1");
    const { problems } = await one.status();
    expect(problems.join("\n")).toContain("The supervisor has ended");
    await one.down();
    expect(await leftOutside()).toEqual([]);
    await one.start();
    await one.serves("app");
  });

  test.each(["gateway", "control", "gateway and control"])(
    "up takes over what is left where supervisor and %s were killed, and no instance is restarted",
    async (names) => {
      const killed = names.split(" and ");
      const before = await eventually("status tells of the instance as it is", async () => {
        const status = await one.status();
        const { instances } = status;
        return instances.length > 0 && instances.every(({ phase }) => phase === "ready") && status;
      });
      const pidIn = (status: Status, name: string) => status.processes.find((each) => each.name === name)?.pid;
      await machine.run("kill", ["-KILL", ...["supervisor", ...killed].map((name) => String(pidIn(before, name)))]);
      await one.start();
      await one.serves("app");
      const after = await one.status();
      expect(after).toMatchObject({ running: true, problems: [] });
      expect(after.instances).toEqual(before.instances);
      for (const name of ["gateway", "control", "dns"]) {
        expect(pidIn(after, name) === pidIn(before, name), name).toBe(!killed.includes(name));
      }
      expect(await one.revisions()).toBe("revision.elafros.dev/app-00001\n");
    },
  );

  test("down ends an up that is still starting", async () => {
    await one.down();
    const starting = one.up();
    const control = await eventually("control starts", async () => {
      const record = JSON.parse(await readFile(join(one.dir, "run/control.json"), "utf8")) as Record<string, unknown>;
      return record["starting"] === true && Number(record["pid"]);
    });
    // It stays so until `down` has come.
    expect((await machine.run("kill", ["-STOP", String(control)])).code).toBe(0);
    await one.down();
    const { code, stderr } = await starting;
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^Error: /)]);
    expect(await leftOutside()).toEqual([]);
  });

  test("of two ups at once one starts, and the other changes nothing", async () => {
    const results = await Promise.all([one.up(), one.up()]);
    expect(results.map(({ code }) => code).sort((a, b) => a - b)).toEqual([0, 1]);
    expect(results.find(({ code }) => code === 1)?.stderr).toContain(`Elafros is already running on ${one.dir}`);
    await one.serves("app");
  });

  test("a store of a newer Elafros is refused with a sentence, and left as it is", async () => {
    await one.down();
    const path = join(one.dir, "store.db");
    const version = setSchemaVersion(path, 999);
    const { code, stderr } = await one.up();
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /Cannot open the store .*: it has schema version 999, and this Elafros knows versions up to/,
    );
    expect(await leftOutside()).toEqual([]);
    expect(setSchemaVersion(path, version)).toBe(999);
    await one.start();
    await one.serves("app");
  });

  test("down --purge leaves nothing", async () => {
    expect(await one.down("--purge")).toContain("is removed");
    expect(differences(empty, await machine.state(one.dir))).toEqual([]);
  });
});

describe("up that can't start", () => {
  test.each(["api", "http"] as const)("says that the port of --%s is in use and leaves nothing", async (which) => {
    const three = installation("three", 3);
    const [host = "", port = ""] = three[which].split(":");
    const script = `require("node:net").createServer().listen(${port}, "${host}", () => console.log("listening"))`;
    const other = machine.start(process.execPath, ["-e", script]);
    await once(other.stdout ?? other, "data");
    try {
      const before = await machine.state(three.dir);
      const { code, stdout, stderr } = await three.up();
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain(`Cannot listen on ${three[which]}: the port is in use by another process`);
      expect(differences(before, await machine.state(three.dir))).toEqual([]);
    } finally {
      await machine.run("pkill", ["-KILL", "-f", "createServer"]);
    }
  });

  test("without root says so", async (context) => {
    const readable = await machine.run("setpriv", [...nobody, "test", "-r", elafros]);
    if (readable.code !== 0) context.skip(`user nobody can't read ${elafros}`);
    const { code, stderr } = await machine.run("setpriv", [...nobody, elafros, "up", "--data-dir", "/tmp/nobody"]);
    expect(code).toBe(1);
    expect(stderr).toContain('"elafros up" needs root');
    expect(stderr).toContain("sudo elafros up");
  });

  test("names what is missing on the machine with the command that installs it, as doctor does", async () => {
    const four = installation("four", 4);
    const bin = join(top, "bin");
    await mkdir(bin);
    // Everything that the launcher and doctor need, but neither conmon nor podman.
    for (const name of ["sh", "dirname", "uname", "readlink", "skopeo", "runc", "ip", "dnsmasq"]) {
      const path = await find(name);
      if (path !== undefined) await symlink(path, join(bin, name));
    }
    const before = await machine.state(four.dir);
    const poor = (...args: string[]) => machine.run("env", [`PATH=${bin}`, elafros, ...args, "--data-dir", four.dir]);
    const doctor = await poor("doctor");
    expect(doctor.code).toBe(1);
    for (const tool of ["conmon", "podman"]) {
      expect(doctor.stdout).toMatch(new RegExp(`✗ ${tool}: not found: .*\\n +(apt-get|dnf) install .*${tool}\\n`));
    }
    expect(doctor.stdout).toContain("✓ skopeo: ");
    const up = await poor("up", "--detach");
    expect(up.code).toBe(1);
    expect(up.stderr).toMatch(/conmon: not found: .*\n +(apt-get|dnf) install .*conmon\n/);
    expect(differences(before, await machine.state(four.dir))).toEqual([]);
  });
});

const nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];

/** Sets the store's schema version and gives the one before. */
function setSchemaVersion(path: string, version: number): number {
  const database = new DatabaseSync(path);
  const before = database.prepare("SELECT value FROM meta WHERE name = 'schema'").get() as { value: number };
  database.prepare("UPDATE meta SET value = ? WHERE name = 'schema'").run(version);
  database.close();
  return before.value;
}

async function find(name: string): Promise<string | undefined> {
  for (const directory of ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]) {
    const path = join(directory, name);
    const found = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return path;
  }
  return undefined;
}
