import { mkdtemp, rm, stat } from "node:fs/promises";
import net, { type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { manualClock, type ManualClock } from "../../../test/support/manual-clock.ts";
import { readLines, writeLine } from "../../gateway/lines.ts";
import { silentLog } from "../../lib/log.ts";
import type { Changes } from "../../routing/changes.ts";
import type { SharesMessage } from "../../routing/link.ts";
import { emptyTable, mapsOf, type RouteTable } from "../../routing/table.ts";
import { createLinkServer, type LinkServer, type LinkServerOptions } from "./link-server.ts";

let dir: string;
let path: string;
let clock: ManualClock;
let server: LinkServer;
let said: string[];
let started: boolean;
let send: Map<string, (table: RouteTable, changes?: Changes) => void>;
let shares: Map<string, (message: SharesMessage) => void>;
const sockets: Socket[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-link-"));
  path = join(dir, "gateway.sock");
  clock = manualClock();
  said = [];
  started = true;
  send = new Map();
  shares = new Map();
  server = await createLinkServer(options());
});

function options(): LinkServerOptions {
  return {
    path,
    clock,
    log: silentLog,
    onHung: ({ revision, instance }) => said.push(`hung ${revision} ${instance}`),
    onDemand: ({ revision, trace }) => said.push(`demand ${revision}${trace === undefined ? "" : ` ${trace}`}`),
    onOutcomes: (outcomes) => said.push(`outcomes ${JSON.stringify(outcomes)}`),
    onSeen: (counts) => said.push(`seen ${JSON.stringify(counts)}`),
    onLoad: ({ ms, revisions }) => said.push(`load ${ms} ${JSON.stringify(revisions)}`),
    shares: {
      join(id, { place, slots }, tell) {
        said.push(`join ${id} ${place} ${JSON.stringify(slots)}`);
        shares.set(id, tell);
      },
      lost: (id) => said.push(`lost ${id}`),
      ended: (id) => said.push(`ended ${id}`),
      gave: (id, slots) => said.push(`gave ${id} ${JSON.stringify(slots)}`),
      wants: (id, revisions) => said.push(`wants ${id} ${JSON.stringify(revisions)}`),
    },
    publisher: {
      started: () => started,
      addMember(member, { serving, draining }) {
        said.push(`add ${member.id} ${serving} ${draining.join()}`);
        send.set(member.id, (table, changes) => member.send(mapsOf(table), changes));
      },
      removeMember: (id) => said.push(`remove ${id}`),
      leaseExpired: (id) => said.push(`expired ${id}`),
      ack: (id, version, draining) => said.push(`ack ${id} ${version} ${draining.join()}`),
      instanceDrained: (id, instance) => said.push(`drained ${id} ${instance}`),
    },
  };
}
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

interface Gateway {
  socket: Socket;
  got: unknown[];
  ended: () => boolean;
}

async function connect(): Promise<Gateway> {
  const socket = net.connect({ path });
  sockets.push(socket);
  const got: unknown[] = [];
  let ended = false;
  readLines(socket, (line) => got.push(JSON.parse(line)));
  socket.on("error", () => {});
  socket.on("close", () => (ended = true));
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, got, ended: () => ended };
}

const hello = (gateway: string, pid = process.pid): object => ({
  type: "hello",
  gateway,
  pid,
  serving: 3,
  draining: ["i"],
});
const see = (...lines: string[]): Promise<void> => expect.poll(() => said).toEqual(lines);

test("a gateway that says hello is a member, gets tables, and what it says is passed on", async () => {
  const { socket, got } = await connect();
  writeLine(socket, hello("g1"));
  writeLine(socket, { type: "ack", version: 4, draining: [] });
  writeLine(socket, { type: "drained", instance: "i" });
  writeLine(socket, { type: "hung", revision: "r", instance: "j" });
  writeLine(socket, { type: "demand", revision: "x/a" });
  writeLine(socket, { type: "load", ms: 1_000, revisions: [["x/a", 0.5, 2, 1]] });
  writeLine(socket, { type: "of a newer gateway" });
  writeLine(socket, { type: "alive" });
  await see("add g1 3 i", "ack g1 4 ", "drained g1 i", "hung r j", "demand x/a", 'load 1000 [["x/a",0.5,2,1]]');
  send.get("g1")?.({ ...emptyTable, version: 5 });
  server.shed(30_000);
  await expect
    .poll(() => got)
    .toEqual([
      { type: "table", table: { ...emptyTable, version: 5 } },
      { type: "shed", maxConnectionAgeMs: 30_000 },
    ]);
  expect(server.gateways()).toEqual([{ id: "g1", pid: process.pid, connected: true }]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

test("a gateway that shares limits joins before it is a member, is told its slots, and what it says of them is passed on", async () => {
  const { socket, got } = await connect();
  writeLine(socket, { ...hello("g1"), shares: { place: "pod-1", slots: [["i", 2]] } });
  writeLine(socket, { type: "gave", slots: [["i", 1]] });
  writeLine(socket, { type: "wants", revisions: [["x/a", 3, 1.5]] });
  await see('join g1 pod-1 [["i",2]]', "add g1 3 i", 'gave g1 [["i",1]]', 'wants g1 [["x/a",3,1.5]]');
  const message: SharesMessage = { type: "shares", version: 5, more: [["j", 1]], keep: [["x/a", null]] };
  shares.get("g1")?.(message);
  await expect.poll(() => got).toEqual([message]);
  said.length = 0;
  // A new connection takes the place of the first, whose end is no loss.
  const fresh = await connect();
  writeLine(fresh.socket, { ...hello("g1"), shares: { place: "pod-1", slots: [] } });
  await see("join g1 pod-1 []", "add g1 3 i");
  fresh.socket.destroy();
  await see("join g1 pod-1 []", "add g1 3 i", "lost g1");
});

test("a gateway is told that its table comes later where control has none yet", async () => {
  started = false;
  const { socket, got } = await connect();
  writeLine(socket, hello("g1"));
  await see("add g1 3 i");
  send.get("g1")?.({ ...emptyTable, version: 5 });
  await expect.poll(() => got).toEqual([{ type: "later" }, { type: "table", table: { ...emptyTable, version: 5 } }]);
});

test("a gateway that says that it has ended is no member from then on", async () => {
  const { socket } = await connect();
  writeLine(socket, hello("g1"));
  writeLine(socket, { type: "ended" });
  await see("add g1 3 i", "remove g1", "ended g1");
  socket.end();
  await clock.advance(20_000);
  expect(said).toHaveLength(3);
});

test("a gateway on another machine is answered that control lives", async () => {
  const { socket, got } = await connect();
  writeLine(socket, hello("g1"));
  writeLine(socket, { type: "alive" });
  writeLine(socket, { type: "alive" });
  writeLine(socket, { type: "ack", version: 4, draining: [] });
  await see("add g1 3 i", "ack g1 4 ");
  expect(got).toEqual([]);
  await server.close();
  server = await createLinkServer({ ...options(), elsewhere: true });
  const other = await connect();
  writeLine(other.socket, hello("g2"));
  writeLine(other.socket, { type: "alive" });
  await expect.poll(() => other.got).toEqual([{ type: "alive" }]);
});

test("a member without connection stays until its lease is over; each message renews it", async () => {
  const { socket } = await connect();
  writeLine(socket, hello("g1"));
  await see("add g1 3 i");
  await clock.advance(9_000);
  writeLine(socket, { type: "ack", version: 4, draining: [] });
  await see("add g1 3 i", "ack g1 4 ");
  await clock.advance(9_000);
  socket.destroy();
  await expect.poll(() => server.gateways()[0]?.connected).toBe(false);
  expect(said).toEqual(["add g1 3 i", "ack g1 4 ", "lost g1"]);
  await clock.advance(1_000);
  await see("add g1 3 i", "ack g1 4 ", "lost g1", "expired g1", "lost g1");
  expect(server.gateways()).toEqual([]);
});

test("a gateway that doesn't say anything any more is cut off with its lease", async () => {
  const { socket, ended } = await connect();
  writeLine(socket, hello("g1"));
  await see("add g1 3 i");
  await clock.advance(10_000);
  await expect.poll(ended).toBe(true);
  expect(said).toEqual(["add g1 3 i", "expired g1", "lost g1"]);
});

test("a gateway whose process has ended is removed at once", async () => {
  const { socket } = await connect();
  // No process can have this number: it is over the kernel's limit.
  writeLine(socket, hello("g1", 2 ** 30));
  await see("add g1 3 i");
  socket.destroy();
  await see("add g1 3 i", "lost g1", "remove g1", "ended g1");
});

test("a gateway that comes back on a new connection takes its place again", async () => {
  const old = await connect();
  writeLine(old.socket, hello("g1"));
  await see("add g1 3 i");
  const fresh = await connect();
  writeLine(fresh.socket, hello("g1"));
  await see("add g1 3 i", "add g1 3 i");
  await expect.poll(old.ended).toBe(true);
  expect(server.gateways()).toEqual([{ id: "g1", pid: process.pid, connected: true }]);
});

test.each([
  ["no JSON", "{"],
  ["no object", "1"],
  ["an ack before hello", JSON.stringify({ type: "ack", version: 1, draining: [] })],
  ["a hello without name", JSON.stringify({ ...hello(""), gateway: "" })],
  ["a hello with a bad pid", JSON.stringify({ ...hello("g"), pid: "1" })],
  [
    "a load without numbers",
    [hello("g"), { type: "load", ms: 1, revisions: [["x/a", 1, 2]] }].map((m) => JSON.stringify(m)).join("\n"),
  ],
  [
    "a load below none",
    [hello("g"), { type: "load", ms: 1, revisions: [["x/a", -1, 2, 0]] }].map((m) => JSON.stringify(m)).join("\n"),
  ],
  ["a hello with slots of nowhere", JSON.stringify({ ...hello("g"), shares: { slots: [] } })],
  ["a hello with half a slot", JSON.stringify({ ...hello("g"), shares: { place: "p", slots: [["i", 0.5]] } })],
  [
    "slots twice",
    [
      hello("g"),
      {
        type: "gave",
        slots: [
          ["i", 1],
          ["i", 1],
        ],
      },
    ]
      .map((m) => JSON.stringify(m))
      .join("\n"),
  ],
  [
    "wants without numbers",
    [hello("g"), { type: "wants", revisions: [["x/a"]] }].map((m) => JSON.stringify(m)).join("\n"),
  ],
  ["a hello with bad instances", JSON.stringify({ ...hello("g"), draining: [1] })],
])("a connection that says %s is ended", async (_what, line) => {
  const { socket, ended } = await connect();
  socket.write(`${line}\n`);
  await expect.poll(ended).toBe(true);
  expect(said.filter((line) => !/^(add|lost) g/u.test(line))).toEqual([]);
});
