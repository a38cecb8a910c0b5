/**
 * Shown by 8: what a hostile image, a hostile request, a hostile neighbour and a person without rights can do to a running platform, and what
 * a gateway could do that somebody has taken over. The parts have tests of their own for what each alone must refuse.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, stat } from "node:fs/promises";
import net, { type AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { elafrosApi, makeService, post, read, serves } from "../support/failures.ts";
import { hostileContainer, inside, type Person, person } from "../support/hostile.ts";
import { eventually, run } from "../support/platform.ts";
import { type Stage, startStage } from "../support/stage.ts";

const marker = "hunter2-do-not-tell";
const teamApi = elafrosApi.replace("default", "team");
const coreOf = (namespace: string) => `/api/v1/namespaces/${namespace}`;
let stage: Stage;
/** Reads everything but Secrets in default. */
let viewer: Person;
/** Edits in namespace team; nobody in default. */
let editor: Person;
/** Administers namespace team. */
let admin: Person;
/** Of the instance of service victim. */
let victim: { name: string; address: string };
/** What a resolver in an instance asks: the bridge. */
let bridge: string;
const hostile = (code: string) => inside(stage.platform, "hostile", code);

interface PodView {
  metadata: { name: string };
  status: { podIP: string; containerStatuses: { restartCount: number; lastState?: object }[] };
}

async function podOf(service: string): Promise<PodView> {
  const query = `labelSelector=${encodeURIComponent(`elafros.dev/revision=${service}-00001`)}`;
  const { items } = (await stage.platform.json("GET", `${coreOf("default")}/pods?${query}`)) as { items: PodView[] };
  const [pod] = items;
  if (pod === undefined) throw new Error(`Service ${service} has no Pod`);
  return pod;
}

beforeAll(async () => {
  // Who starts it keeps everything to themselves: that must open nothing, and close nothing to containers' own users.
  process.umask(0o077);
  stage = await startStage();
  const { platform, images } = stage;
  await post(platform, "/api/v1/namespaces", { metadata: { name: "team" } });
  await post(platform, `${coreOf("default")}/secrets`, { metadata: { name: "db" }, stringData: { password: marker } });
  await makeService(platform, "victim", {
    container: {
      image: images["app:1"],
      env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }],
      volumeMounts: [{ name: "db", mountPath: "/secrets" }],
    },
    volumes: [{ name: "db", secret: { secretName: "db" } }],
  });
  await makeService(platform, "ordinary", {
    container: { image: images["app:user"], volumeMounts: [{ name: "db", mountPath: "/secrets" }] },
    volumes: [{ name: "db", secret: { secretName: "db" } }],
  });
  await makeService(platform, "hostile", { container: hostileContainer(images["app:1"]) });
  [viewer, editor, admin] = await Promise.all([
    person(platform, "viewer", { role: "view", namespace: "default" }),
    person(platform, "editor", { role: "edit", namespace: "team" }),
    person(platform, "admin-of-team", { role: "admin", namespace: "team" }),
  ]);
  await serves(platform, "victim");
  await serves(platform, "hostile");
  await serves(platform, "ordinary");
  const pod = await podOf("victim");
  victim = { name: pod.metadata.name, address: pod.status.podIP };
  const resolvConf = (await hostile(`return sh("cat /etc/resolv.conf")`)) as string;
  bridge = /^nameserver (\S+)$/m.exec(resolvConf)?.[1] ?? "";
});

afterAll(async () => {
  for (const each of [viewer, editor, admin]) each?.leave();
  await stage?.close();
});

describe("a hostile image", () => {
  test("reaches the gateway, and nothing else of the platform, the machine or its neighbours", async () => {
    const machine = net.createServer((socket) => socket.destroy()).listen(0, "0.0.0.0");
    await once(machine, "listening");
    const { port } = machine.address() as AddressInfo;
    const { platform, registry } = stage;
    const addresses = Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address));
    const own = addresses.filter((address) => net.isIPv4(address) && !address.startsWith("127."));
    expect(own).toContain(bridge);
    const ports = [port, Number(new URL(platform.api).port), Number(registry.host.split(":")[1]), 22, 2375, 10_250];
    const code = `const all = ${JSON.stringify([...own, "127.0.0.1"])}.flatMap((host) => ${JSON.stringify(ports)}.map((port) => [host, port]));
      all.push(["${victim.address}", 8080], ["169.254.169.254", 80], ["host.elafros.internal", ${port}], ["::1", ${port}]);
      return [await reach("${bridge}", 80), ...await Promise.all(all.map(async ([host, port]) => [host, port, await reach(host, port)]))];`;
    const [gateway, ...others] = (await hostile(code)) as [string, ...[string, number, string][]];
    machine.close();
    expect(gateway).toBe("connected");
    expect(others.filter(([, , how]) => how === "connected")).toEqual([]);
    expect(others.length).toBeGreaterThan(ports.length + 4);
  });

  test("gets nothing by names: only services and the machine's opened ports have one", async () => {
    const names = ["host.elafros.internal", "victim.default", "kubernetes.default.svc", "control", victim.name];
    const code = `const { lookup } = require("node:dns/promises");
      return Promise.all(${JSON.stringify(names)}.map((name) => lookup(name).then(({ address }) => address, () => null)));`;
    expect(await hostile(code)).toEqual([bridge, bridge, null, null, null]);
    // A name is no way round the gateway's own choice: the bridge's address, a pod's and the API's names are no hosts of services.
    for (const host of [bridge, victim.address, "host.elafros.internal", "kubernetes.default.svc", "localhost"]) {
      expect((await stage.platform.ask(host)).headers["elafros-reason"], host).toBe("HostUnknown");
    }
  });

  test("sees its own files, processes, devices and limits only", async () => {
    const text = async (script: string) => (await hostile(`return sh(${JSON.stringify(script)})`)) as string;
    expect((await text("ls /dev")).split(/\s+/).filter((name) => name !== "")).toEqual(
      // prettier-ignore
      ["fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "termination-log", "tty", "urandom", "zero"],
    );
    expect(await text("find / -xdev -type s 2>/dev/null; tail -n +2 /proc/net/unix | grep [/@] || true")).toBe("");
    expect(
      await text(
        "cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null; find /sys/firmware /proc/acpi -mindepth 1 2>/dev/null || true",
      ),
    ).toBe("");
    const cmdlines = await text("cat /proc/[0-9]*/cmdline | tr '\\0' ' '");
    expect(cmdlines).not.toMatch(/conmon|elafros|src\/(platform|gateway)/);
    const shown = await text("env; cat /proc/self/mountinfo /proc/self/cgroup /etc/hosts /proc/mounts");
    expect(shown).not.toContain(victim.name);
    expect(shown).not.toMatch(/KUBE|ELAFROS|TOKEN|store\.db/);
    expect(await text("cat /secrets/password /var/run/secrets/kubernetes.io/serviceaccount/token")).toMatch(/^failed/);
    const changes = ["echo 1 > /sys/fs/cgroup/x", "mkdir /sys/fs/cgroup/x", "echo 1 > /proc/sys/vm/drop_caches"];
    for (const change of changes) expect(await text(`${change} && echo CHANGED`), change).toMatch(/^failed/);
  });

  test("can't speak for the platform, nor for another request", async () => {
    const headers = {
      "elafros-reason": "Forged",
      "x-request-id": "forged",
      "transfer-encoding": "chunked",
      upgrade: "h2c",
    };
    const code = `for (const [name, value] of Object.entries(${JSON.stringify(headers)})) response.setHeader(name, value);`;
    const answer = await stage.platform.ask("hostile.default.localhost", "/", { method: "POST", body: code });
    expect(answer.status).toBe(200);
    expect(answer.headers["elafros-reason"]).toBeUndefined();
    expect(answer.headers["x-request-id"]).not.toBe("forged");
    expect(answer.headers["upgrade"]).toBeUndefined();
  });
});

/** What comes back for these bytes, until the gateway closes. */
async function raw(bytes: string): Promise<string> {
  const socket = net.connect(stage.platform.httpPort, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.setEncoding("utf8").on("data", (part: string) => (text += part));
  socket.write(bytes);
  await once(socket, "close");
  return text;
}

test("an ordinary user in a container reaches its own files, and writes no other's", async () => {
  const ask = (path: string) => stage.platform.ask("ordinary.default.localhost", path);
  expect((await ask("/file?path=/secrets/password")).text).toBe(marker);
  expect((await ask("/file?path=/etc/resolv.conf")).text).toContain(bridge);
  expect(JSON.parse((await ask("/info")).text)).toMatchObject({ user: { uid: 1000, gid: 1000 } });
  for (const path of ["/etc/passwd", "/app/server.mjs", "/secrets/password"]) {
    expect((await ask(`/write?path=${path}&data=x`)).text, path).toMatch(/EACCES|EROFS/);
  }
  expect((await ask("/write?path=/dev/shm/x&data=x")).text).toBe("written\n");
});

describe("a hostile request", () => {
  const [mine, other] = ["hostile.default.localhost", "victim.default.localhost"];

  test("reaches one service by one name, or none", async () => {
    const names: [string, RegExp][] = [
      [`Host: ${other}\r\nHost: ${mine}`, /^HTTP\/1.1 400 /],
      [`Host: ${mine}, ${other}`, /^HTTP\/1.1 4\d\d /],
      [`Host: user@${other}`, /^HTTP\/1.1 4\d\d /],
      [`Host: ${other}/x`, /^HTTP\/1.1 4\d\d /],
      [`Host: ${other}\t${mine}`, /^HTTP\/1.1 4\d\d /],
      [`Host: x.${other}`, /elafros-reason: HostUnknown/],
      [`Host: victim-00001.default.localhost`, /elafros-reason: HostUnknown/],
      [`Host: ${victim.address}:8080`, /elafros-reason: HostUnknown/],
      ["X: y", /^HTTP\/1.1 400 /],
      // What another field says is no host.
      [
        `Host: no.such.localhost\r\nX-Forwarded-Host: ${other}\r\nForwarded: host=${other}`,
        /elafros-reason: HostUnknown/,
      ],
      [
        `Host: no.such.localhost\r\nX-Original-URL: http://${other}/\r\nX-Host: ${other}`,
        /elafros-reason: HostUnknown/,
      ],
    ];
    for (const [host, expected] of names) {
      const answer = await raw(`GET /info HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`);
      expect(answer, host).toMatch(expected);
      expect(answer, host).not.toContain(marker);
    }
    // The request's target wins over Host, as RFC 9112 §3.2.2 says, and the app learns that.
    const absolute = await raw(`GET http://${other}/info HTTP/1.1\r\nHost: ${mine}\r\nConnection: close\r\n\r\n`);
    expect(absolute).toContain(`"host":"${other}"`);
    expect(absolute).not.toContain(mine);
  });

  test("can't forge what the platform tells the app", async () => {
    const forged = [
      "K-Revision: x",
      "Elafros-Reason: x",
      "elafros_reason: x",
      "K_Revision: x",
      "X-Forwarded-For: 6.6.6.6",
    ];
    forged.push("x_forwarded_for: 6.6.6.6", "Forwarded: for=6.6.6.6", "X-Real-IP: 6.6.6.6", "X-Request-Id: a b\x01c");
    const answer = await raw(
      `GET /info HTTP/1.1\r\nHost: ${other}\r\n${forged.slice(0, -1).join("\r\n")}\r\nConnection: close, X-Real-Ip\r\n\r\n`,
    );
    const { headers } = JSON.parse(answer.slice(answer.indexOf("{"), answer.lastIndexOf("}") + 1)) as {
      headers: Record<string, string>;
    };
    expect(Object.keys(headers).filter((name) => /^(k|elafros)[-_]|_/.test(name))).toEqual([]);
    expect(JSON.stringify(headers)).not.toContain("6.6.6.6");
    expect(headers["x-real-ip"]).toBe("127.0.0.1");
    expect(headers["x-request-id"]).toMatch(/^[\w-]{8,}$/);
    expect(await raw(`GET /info HTTP/1.1\r\nHost: ${other}\r\n${String(forged.at(-1))}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 400 /,
    );
  });

  test("gets no file of the gateway, and no more than its limits", async () => {
    for (const path of [
      "/../../../../etc/hostname",
      "/..%2f..%2fstate/table.json",
      "//etc/passwd",
      "/proc/self/cwd/state/table.json",
    ]) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: ${other}\r\nConnection: close\r\n\r\n`);
      // Whatever the path, it is the app's to answer, which has no such path.
      expect(answer, path).toContain("Hello World from 1");
    }
    expect(await raw(`GET / HTTP/1.1\r\nHost: ${other}\r\nX: ${"y".repeat(100_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 /,
    );
    expect(await raw(`GET /${"y".repeat(100_000)} HTTP/1.1\r\nHost: ${other}\r\n\r\n`)).toMatch(/^HTTP\/1.1 4(31|14) /);
    expect(await raw(`GET / HTTP/1.1\r\nHost: ${other}\r\n${"A: b\r\n".repeat(5_000)}\r\n`)).toMatch(/^HTTP\/1.1 431 /);
    expect((await stage.platform.ask(other)).status).toBe(200);
  });
});

test("a hostile neighbour has its own limits, and the others are served", async () => {
  const { platform } = stage;
  const noise = `const { spawn } = require("node:child_process");
    const start = (script) => spawn("/bin/sh", ["-c", script], { stdio: ["ignore", "inherit", "ignore"] }).on("error", () => {}).unref();
    for (let i = 0; i < 4; i++) start("timeout 20 sh -c 'while :; do :; done'");
    start("timeout 5 yes 'a line of noise'");
    start("i=0; while [ $i -lt 5000 ]; do sleep 20 & i=$((i+1)); done");
    start("timeout 5 dd if=/dev/zero of=/tmp/full bs=64k count=1600");`;
  await hostile(noise);
  // Meanwhile it takes all the memory that it may have, and is ended for it.
  await platform.ask("hostile.default.localhost", "/", {
    method: "POST",
    body: "const taken = []; for (;;) taken.push(Buffer.alloc(8 << 20, 1));",
  });
  const statuses: number[] = [];
  const ended = eventually("the hostile instance is out of memory", async () => {
    const { lastState, restartCount } = (await podOf("hostile")).status.containerStatuses[0] ?? { restartCount: 0 };
    return restartCount > 0 && JSON.stringify(lastState).includes("OOMKilled");
  });
  const noisy = { now: true };
  const quiet = ended.finally(() => (noisy.now = false));
  // Until it has come to that, and at least as often.
  while (noisy.now || statuses.length < 100) {
    statuses.push((await platform.ask("victim.default.localhost")).status);
  }
  await quiet;
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
  expect((await podOf("victim")).status.containerStatuses[0]?.restartCount).toBe(0);
});

describe("a person without rights", () => {
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const configuration = (container: object, spec: object = {}) => ({
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Configuration",
    metadata: { name: "curious" },
    spec: { revisionTemplate: { spec: { container: { image: stage.images["app:1"], ...container }, ...spec } } },
  });

  test("a viewer sees what runs, not what is secret, and changes nothing", async () => {
    const seen = await Promise.all(
      ["configurations", "revisions", "routes"].map((plural) => viewer.ask("GET", `${elafrosApi}/${plural}`)),
    );
    seen.push(
      await viewer.ask("GET", `${coreOf("default")}/pods`),
      await viewer.ask("GET", `${coreOf("default")}/events`),
    );
    seen.push(await viewer.ask("GET", `${coreOf("default")}/pods/${victim.name}/log`));
    expect(seen.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(seen.map(({ text }) => text).join()).not.toContain(marker);
    const refused: [string, string, object?][] = [
      ["GET", `${coreOf("default")}/secrets/db`],
      ["PATCH", `${elafrosApi}/routes/victim`, { spec: { rollout: { traffic: [] } } }],
      ["PATCH", `${elafrosApi}/routes/victim/status`, { status: {} }],
      ["PATCH", `${elafrosApi}/revisions/victim-00001`, { metadata: { labels: { a: "b" } } }],
      ["DELETE", `${elafrosApi}/configurations/victim`],
      ["DELETE", `${coreOf("default")}/pods/${victim.name}`],
      ["POST", `${coreOf("default")}/serviceaccounts/default/token`, {}],
    ];
    for (const [method, path, body] of refused) {
      const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
      const { status, text } = await viewer.ask(method, path, body, type);
      expect([path, status], text).toEqual([path, 403]);
    }
    for (const verb of ["exec", "attach", "portforward"]) {
      const { status } = await viewer.ask("POST", `${coreOf("default")}/pods/${victim.name}/${verb}`, {});
      expect([403, 404], verb).toContain(status);
    }
  });

  test("somebody of one namespace gets no further", async () => {
    const paths = [
      `${elafrosApi}/routes`,
      `${coreOf("default")}/pods/${victim.name}/log`,
      `${coreOf("default")}/events`,
    ];
    paths.push("/apis/elafros.dev/v1alpha1/configurations", "/api/v1/secrets", "/api/v1/pods", "/api/v1/namespaces");
    for (const path of paths) expect((await editor.ask("GET", path)).status, path).toBe(403);
    // The Pod's name is no way in by one's own namespace.
    expect((await editor.ask("GET", `${coreOf("team")}/pods/${victim.name}/log`)).status).toBe(404);
    const revision = { ...configuration({}), kind: "Revision", spec: { container: { image: stage.images["app:1"] } } };
    expect((await editor.ask("POST", `${teamApi}/revisions`, revision)).status).toBe(403);
    const elsewhere = { ...configuration({}), metadata: { name: "curious", namespace: "default" } };
    expect((await editor.ask("POST", `${teamApi}/configurations`, elsewhere)).status).toBe(400);
  });

  test("an administrator of one namespace gives nobody more than that", async () => {
    const apiGroup = "rbac.authorization.k8s.io";
    const me = [{ kind: "User", apiGroup, name: "admin-of-team" }];
    const binding = (role: string) => ({
      metadata: { name: `own-${role}` },
      roleRef: { apiGroup, kind: "ClusterRole", name: role },
      subjects: me,
    });
    const ask = async (path: string, body: object) => (await admin.ask("POST", `${rbac}/${path}`, body)).status;
    expect(await ask("namespaces/team/rolebindings", binding("edit"))).toBe(201);
    expect(await ask("namespaces/team/rolebindings", binding("cluster-admin"))).toBe(403);
    expect(await ask("namespaces/default/rolebindings", binding("view"))).toBe(403);
    expect(await ask("clusterrolebindings", binding("view"))).toBe(403);
    const rules = [{ apiGroups: ["*"], resources: ["*"], verbs: ["*"] }];
    expect(await ask("namespaces/team/roles", { metadata: { name: "all" }, rules })).toBe(403);
    expect(await ask("clusterroles", { metadata: { name: "all" }, rules })).toBe(403);
    expect((await admin.ask("GET", `${coreOf("default")}/secrets/db`)).status).toBe(403);
  });

  test("an editor's containers get at no other namespace's Secrets, no file of the machine, no other's host", async () => {
    const volume = (source: object, mount: object = {}) =>
      configuration(
        { volumeMounts: [{ name: "v", mountPath: "/v", ...mount }] },
        { volumes: [{ name: "v", ...source }] },
      );
    const emptyDir = { emptyDir: {} };
    const invalid: [string, object][] = [
      ["hostPath", volume({ hostPath: { path: "/" } })],
      [
        "a path of a Secret's key",
        volume({ secret: { secretName: "db", items: [{ key: "password", path: "../x" }] } }),
      ],
      ["subPath", volume(emptyDir, { subPath: "../../../etc" })],
      ["an absolute subPath", volume(emptyDir, { subPath: "/etc" })],
      ["a name that is a path", volume({ secret: { secretName: "../default/db" } })],
      ["privileged", configuration({ securityContext: { privileged: true } })],
    ];
    for (const [what, body] of invalid) {
      const { status, text } = await editor.ask("POST", `${teamApi}/configurations`, body);
      expect([400, 422], `${what}: ${text}`).toContain(status);
    }
    // What isn't known is left out, and refused to whoever asks for that, as kubectl does.
    const strict = `${teamApi}/configurations?fieldValidation=Strict`;
    expect((await editor.ask("POST", strict, configuration({}, { hostNetwork: true, hostPID: true }))).status).toBe(
      400,
    );
    const route = { apiVersion: "elafros.dev/v1alpha1", kind: "Route", metadata: { name: "victim" } };
    const traffic = [{ revisionName: "victim-00001", percent: 100 }];
    const domains = { ...route, spec: { rollout: { traffic }, domains: ["victim.default.localhost"] } };
    expect((await editor.ask("POST", `${teamApi}/routes`, domains)).status).toBe(422);
    // A Route leads to Revisions of its own namespace, whatever their names are elsewhere.
    expect((await editor.ask("POST", `${teamApi}/routes`, { ...route, spec: { rollout: { traffic } } })).status).toBe(
      201,
    );
    const env = [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } }];
    const curious = configuration({ env }, { imagePullSecrets: [{ name: "db" }] });
    expect((await editor.ask("POST", `${teamApi}/configurations`, curious)).status).toBe(201);
    const { message } = await eventually("the Revision says what it misses", async () => {
      const { status } = JSON.parse((await editor.ask("GET", `${teamApi}/revisions/curious-00001`)).text) as {
        status?: { conditions?: { status: string; message?: string }[] };
      };
      return status?.conditions?.find((condition) => condition.message?.includes('"db"'));
    });
    expect(message).toMatch(/not found/i);
    const { items } = JSON.parse((await editor.ask("GET", `${coreOf("team")}/pods`)).text) as { items: object[] };
    expect(JSON.stringify(items)).not.toContain('"ready":true');
    const answer = await stage.platform.ask("victim.team.localhost", "/info");
    expect(answer.status).toBeGreaterThanOrEqual(404);
    expect(answer.text).not.toContain(marker);
    expect((await read(stage.platform, "routes/victim")).status?.traffic).toMatchObject([{ percent: 100 }]);
    expect((await stage.platform.ask("victim.default.localhost")).status).toBe(200);
  });
});

describe("the platform's own processes", () => {
  test("a gateway that was taken over has no rights and reaches no file but its own", async () => {
    const { dataDir } = stage.platform;
    const pid = await stage.platform.pid("gateway");
    const status = await readFile(`/proc/${pid}/status`, "utf8");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toContain(`${set}:\t0000000000000000\n`);
    expect(status).toContain("NoNewPrivs:\t1\n");
    const uid = Number(/^Uid:\t(\d+)/m.exec(status)?.[1]);
    // Root's where nobody else may read this checkout.
    if (uid === 0) return;
    const script = `for file in state/table.json ../store.db ../kubeconfig ../config.json ../pki/ca.key ../pki/tokens.key ../run/supervisor.sock \
      ../run/handover-control.sock ../logs ../instances ${dataDir}/kubeconfig /etc/shadow; do test -r $file && echo $file; done; touch x ../x 2>/dev/null && echo wrote`;
    const child = spawn("sh", ["-c", script], {
      uid,
      gid: uid,
      cwd: join(dataDir, "gateway"),
      stdio: ["ignore", "pipe", "ignore"],
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (part: string) => (printed += part));
    await once(child, "close");
    expect(printed).toBe("state/table.json\n");
  });

  test("nothing secret is in arguments, environments, logs, or files that others may read", async () => {
    const { dataDir } = stage.platform;
    const config = await readFile(join(dataDir, "kubeconfig"), "utf8");
    const key = /client-key-data: (\S{40})/.exec(config)?.[1] ?? "";
    expect(key).not.toBe("");
    const secrets = [marker, Buffer.from(marker).toString("base64"), key];
    for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
      const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
      expect(
        secrets.filter((secret) => text.includes(secret)),
        text,
      ).toEqual([]);
    }
    for (const name of ["supervisor", "control", "gateway", "dns"]) {
      const text = await readFile(`/proc/${await stage.platform.pid(name)}/environ`, "utf8");
      expect(
        secrets.filter((secret) => text.includes(secret)),
        name,
      ).toEqual([]);
    }
    for (const file of await readdir(join(dataDir, "logs"))) {
      const text = await readFile(join(dataDir, "logs", file), "utf8");
      expect(
        secrets.filter((secret) => text.includes(secret)),
        file,
      ).toEqual([]);
    }
    expect((await stat(dataDir)).mode & 0o777).toBe(0o700);
    const { stdout } = await run("find", [
      dataDir,
      "-maxdepth",
      "3",
      "-type",
      "f",
      "-perm",
      "/077",
      "-not",
      "-path",
      "*/images/*",
      // The container's account writes it, whichever that is; nobody else gets through the directories above.
      "-not",
      "-name",
      "termination",
    ]);
    expect(stdout).toBe("");
    const events = await stage.platform.call("GET", "/api/v1/events");
    expect(events.text).not.toContain(marker);
  });
});
