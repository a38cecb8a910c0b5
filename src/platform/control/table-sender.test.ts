import { once } from "node:events";
import net, { type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { readLines } from "../../gateway/lines.ts";
import { applyChanges, type Changes, differences, noChanges } from "../../routing/changes.ts";
import { emptyTable, type HostEntry, mapsOf, type RevisionEntry, tableOf } from "../../routing/table.ts";
import { TableSender } from "./table-sender.ts";

/** Both ends of a connection. The gateway's reads nothing until `read` is called. */
async function connection(): Promise<{ control: Socket; read: () => unknown[] }> {
  const server = net.createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const gateway = net.connect((server.address() as net.AddressInfo).port, "127.0.0.1");
  const [control] = (await once(server, "connection")) as [Socket];
  onTestFinished(() => {
    for (const one of [gateway, control]) one.destroy();
    server.close();
  });
  const read = (): unknown[] => {
    const got: unknown[] = [];
    readLines(gateway, (line) => got.push(JSON.parse(line)));
    return got;
  };
  return { control, read };
}

/** A table that changes: `set` gives the changes of its next version. */
function table() {
  const maps = { version: 1, hosts: new Map<string, HostEntry>(), revisions: new Map<string, RevisionEntry>() };
  const set = (...hosts: [string, HostEntry | undefined][]): Changes => {
    const changes: Changes = { ...noChanges(), hosts: new Map(hosts) };
    applyChanges(maps, changes);
    maps.version += 1;
    return changes;
  };
  return { maps, set };
}

const entry = (route: string): HostEntry => ({ route, targets: [] });
const many = (length: number, route: string) =>
  Array.from({ length }, (_, i): [string, HostEntry] => [`host-${i}`, entry(route)]);

test("a large table is one line though what is said meanwhile waits, and what changes meanwhile follows as one change", async () => {
  const { control, read } = await connection();
  const sender = new TableSender(control, true);
  const { maps, set } = table();
  set(...many(1_000, "x/a"));
  const whole = tableOf(maps);
  sender.send(maps, undefined);
  sender.say({ type: "later" });
  sender.send(maps, set(["host-999", undefined], ["host-0", entry("x/b")]));
  sender.send(maps, set(["host-999", entry("x/c")]));
  const got = read();
  await expect.poll(() => got.length).toBe(3);
  expect(got).toEqual([
    { type: "table", table: whole },
    { type: "later" },
    {
      type: "change",
      from: whole.version,
      version: whole.version + 2,
      hosts: [
        ["host-999", entry("x/c")],
        ["host-0", entry("x/b")],
      ],
      revisions: [],
    },
  ]);
});

test.each([true, false])(
  "a gateway that is slow to read gets less, and ends with the newest table (changes: %s)",
  async (takesChanges) => {
    const { control, read } = await connection();
    const sender = new TableSender(control, takesChanges);
    const { maps, set } = table();
    const rounds = 100;
    for (let round = 0; round < rounds; round++) {
      sender.send(maps, set(...many(1_000, `x/${round}-${"long".repeat(100)}`)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const got = read() as { type: string; version?: number; table?: { version: number } }[];
    const versionOf = (message: (typeof got)[number] | undefined) => message?.table?.version ?? message?.version;
    await expect.poll(() => versionOf(got.at(-1))).toBe(maps.version);
    expect(got.length).toBeLessThan(rounds);
    expect(new Set(got.slice(1).map(({ type }) => type))).toEqual(new Set([takesChanges ? "change" : "table"]));
  },
);

test("a version that changes nothing is said, as a change without entries", async () => {
  const { control, read } = await connection();
  const sender = new TableSender(control, true);
  sender.send(mapsOf({ ...emptyTable, version: 4 }), undefined);
  sender.send(mapsOf({ ...emptyTable, version: 5 }), differences(mapsOf(emptyTable), mapsOf(emptyTable)));
  const got = read();
  await expect.poll(() => got.at(-1)).toMatchObject({ type: "change", from: 4, version: 5, hosts: [], revisions: [] });
});
