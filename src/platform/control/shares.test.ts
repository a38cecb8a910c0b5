/** From the keeper's book to the requests at instances: several gateways, messages that are late and lost, gateways and control that end at any time. */
import * as fc from "fast-check";
import { expect, it, test } from "vitest";
import { manualClock, type ManualClock, settle } from "../../../test/support/manual-clock.ts";
import { limitedTable, SharedGateway, SharingControl } from "../../../test/support/shared-gateways.ts";

/** Instances that there are before another control begins. */
const known = ["i", "j", "k"];

interface World {
  clock: ManualClock;
  control: SharingControl;
  gateways: SharedGateway[];
  limit: number;
  instances: string[];
  version: number;
  places: Set<string>;
}

function makeWorld(limit: number, count: number): World {
  const clock = manualClock();
  const places = new Set(Array.from({ length: count }, (_, i) => `place-${i}`));
  const instances = ["i"];
  const table = limitedTable(1, limit, []);
  const world: World = {
    clock,
    control: new SharingControl(clock, table, { before: [], places }),
    gateways: [...places].map((place) => new SharedGateway(place, `${place}-1`, clock)),
    limit,
    instances,
    version: 1,
    places,
  };
  return world;
}

function publish(world: World): void {
  world.version += 1;
  world.control.publish(limitedTable(world.version, world.limit, world.instances));
}

/** No instance has more requests than its limit, whoever sends them. */
function check({ gateways, limit }: World): void {
  const all = new Map<string, number>();
  for (const gateway of gateways) {
    for (const [instance, count] of gateway.busy()) all.set(instance, (all.get(instance) ?? 0) + count);
  }
  for (const [instance, count] of all) expect([instance, count <= limit, count]).toEqual([instance, true, count]);
}

const gatewaysAtMost = 3;
const gatewayStep = fc.record({
  gateway: fc.nat(gatewaysAtMost - 1),
  do: fc.oneof(
    { weight: 8, arbitrary: fc.constant("arrive" as const) },
    { weight: 6, arbitrary: fc.constant("end" as const) },
    { weight: 8, arbitrary: fc.constant("hear" as const) },
    { weight: 8, arbitrary: fc.constant("say" as const) },
    { weight: 5, arbitrary: fc.constant("take" as const) },
    { weight: 1, arbitrary: fc.constant("lose" as const) },
    { weight: 3, arbitrary: fc.constant("connect" as const) },
    { weight: 1, arbitrary: fc.constant("crash" as const) },
  ),
  which: fc.nat(7),
});
const worldStep = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant("plan" as const) }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant("bring" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.constantFrom(50, 120, 1_100) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("place" as const), instances: fc.subarray(known) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("restart" as const) }) },
);
const anyStep = fc.oneof({ weight: 4, arbitrary: gatewayStep }, { weight: 1, arbitrary: worldStep });

async function gatewayDoes(world: World, step: typeof gatewayStep extends fc.Arbitrary<infer S> ? S : never) {
  const index = step.gateway % world.gateways.length;
  const gateway = world.gateways[index];
  if (gateway === undefined) return;
  switch (step.do) {
    case "arrive":
      gateway.arrive(step.which);
      break;
    case "end":
      gateway.end(step.which);
      break;
    case "hear":
      gateway.hear();
      break;
    case "say":
      world.control.hear(gateway);
      break;
    case "take":
      gateway.take(step.which % 2);
      break;
    case "lose":
      if (gateway.connected) {
        gateway.lose();
        world.control.lost(gateway);
      }
      break;
    case "connect":
      if (!gateway.connected) gateway.connect();
      break;
    case "crash": {
      // Its requests end with it, and another takes its place.
      gateway.lose();
      world.control.lost(gateway);
      const number = Number(gateway.id.split("-").at(-1)) + 1;
      world.gateways[index] = new SharedGateway(gateway.place, `${gateway.place}-${number}`, world.clock);
      break;
    }
  }
  await Promise.resolve();
  await Promise.resolve();
}

/** All that is on its way arrives, also what follows from it. */
async function bringAll(world: World): Promise<void> {
  for (let moved = true; moved;) {
    moved = world.control.plan();
    for (const gateway of world.gateways) {
      for (const move of [
        () => world.control.hear(gateway),
        () => gateway.hear(),
        ...[0, 1].map((t) => () => gateway.take(t)),
      ]) {
        while (move()) {
          moved = true;
          await Promise.resolve();
          check(world);
        }
      }
    }
    for (let turn = 0; turn < 6; turn++) await Promise.resolve();
    check(world);
  }
}

it("any requests, delays, losses, crashes and restarts keep every instance within its limit, and in the end every request is served", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(1, 1, 2, 3),
      fc.integer({ min: 1, max: gatewaysAtMost }),
      fc.array(anyStep, { maxLength: 150, size: "max" }),
      async (limit, count, steps) => {
        const world = makeWorld(limit, count);
        publish(world);
        for (const gateway of world.gateways) gateway.connect();
        await settle();
        await bringAll(world);
        for (const step of steps) {
          if ("gateway" in step) await gatewayDoes(world, step);
          else if (step.do === "plan") world.control.plan();
          else if (step.do === "bring") await bringAll(world);
          else if (step.do === "wait") await world.clock.advance(step.ms);
          else if (step.do === "place") {
            world.instances = step.instances;
            publish(world);
          } else {
            for (const gateway of world.gateways) if (gateway.connected) gateway.lose();
            world.control.keeper.stop();
            const table = limitedTable((world.version += 1_000), limit, world.instances);
            world.control = new SharingControl(world.clock, table, { before: known, places: world.places });
          }
          check(world);
        }
        world.instances = ["i", "k"];
        publish(world);
        for (const gateway of world.gateways) if (!gateway.connected) gateway.connect();
        await settle();
        const waiting = () => world.gateways.reduce((sum, one) => sum + one.waiting, 0);
        const most = 20 + 4 * waiting();
        for (let round = 0; round < most; round++) {
          await bringAll(world);
          for (const gateway of world.gateways) while (gateway.end(0)) check(world);
          await world.clock.advance(120);
          if (waiting() === 0) break;
        }
        expect(waiting()).toBe(0);
        // Nobody keeps slots of what is gone.
        world.instances = [];
        publish(world);
        await bringAll(world);
        for (const gateway of world.gateways) while (gateway.end(0));
        await bringAll(world);
        for (const [, held] of world.control.keeper.book()) expect(held).toEqual(new Map());
        world.control.keeper.stop();
      },
    ),
    { numRuns: 250 },
  );
}, 120_000);

/** Two gateways that have said hello, and one instance with one slot. */
async function pair(): Promise<World> {
  const world = makeWorld(1, 2);
  publish(world);
  for (const gateway of world.gateways) gateway.connect();
  await settle();
  await bringAll(world);
  return world;
}

function ownerOf({ gateways, control }: World): { owner: SharedGateway; other: SharedGateway } {
  const owner = gateways.find(({ id }) => control.keeper.book().get(id)?.get("i") === 1);
  const other = gateways.find((one) => one !== owner);
  if (owner === undefined || other === undefined) throw new Error("Nobody has the slot");
  return { owner, other };
}

test("a slot goes to the gateway where a request waits once the request that holds it has ended", async () => {
  const world = await pair();
  const { owner, other } = ownerOf(world);
  owner.arrive(0);
  other.arrive(0);
  await settle();
  await bringAll(world);
  expect([owner.busy().get("i"), other.waiting]).toEqual([1, 1]);
  owner.end(0);
  await settle();
  await bringAll(world);
  expect([owner.busy().size, other.busy().get("i"), other.waiting]).toEqual([0, 1, 0]);
});

test("a gateway that isn't heard serves on, and its slots stay its own until it is known to have ended", async () => {
  const world = await pair();
  const { owner, other } = ownerOf(world);
  owner.lose();
  world.control.lost(owner);
  owner.arrive(0);
  other.arrive(0);
  await world.clock.advance(5_000);
  await bringAll(world);
  expect([owner.busy().get("i"), other.waiting]).toEqual([1, 1]);
  world.places.delete(owner.place);
  world.gateways = [other];
  await world.clock.advance(1_100);
  await bringAll(world);
  expect([other.busy().get("i"), other.waiting]).toEqual([1, 0]);
});

test("an instance whose slots are all with a gateway that isn't heard is replaced when requests wait for 10 s; what comes in its place serves them", async () => {
  const world = await pair();
  const { owner, other } = ownerOf(world);
  owner.lose();
  world.control.lost(owner);
  await world.clock.advance(20_000);
  await bringAll(world);
  expect(world.control.stuck).toEqual([]);
  other.arrive(0);
  await settle();
  await bringAll(world);
  await world.clock.advance(9_000);
  await bringAll(world);
  expect(world.control.stuck).toEqual([]);
  await world.clock.advance(1_100);
  await bringAll(world);
  expect(world.control.stuck).toEqual(["i"]);
  world.instances = ["j"];
  publish(world);
  await bringAll(world);
  expect([other.busy().get("j"), other.waiting]).toEqual([1, 0]);
});

test("where only some slots are with a gateway that isn't heard, and requests wait for a minute, the instance that has most of them is replaced", async () => {
  const world = makeWorld(2, 2);
  world.instances = ["i", "j"];
  publish(world);
  const [lost, other] = world.gateways;
  if (lost === undefined || other === undefined) throw new Error("There are two");
  lost.connect();
  await settle();
  await bringAll(world);
  other.connect();
  await settle();
  await bringAll(world);
  const has = (gateway: SharedGateway) =>
    [...(world.control.keeper.book().get(gateway.id) ?? [])].reduce((sum, [, slots]) => sum + slots, 0);
  expect([has(lost), has(other)]).toEqual([2, 2]);
  lost.lose();
  world.control.lost(lost);
  for (let i = 0; i < 3; i++) other.arrive(0);
  await settle();
  await bringAll(world);
  expect(other.waiting).toBe(1);
  await world.clock.advance(59_000);
  await bringAll(world);
  expect(world.control.stuck).toEqual([]);
  // Where nothing waits any more, a minute begins anew.
  other.end(0);
  await settle();
  await bringAll(world);
  expect(other.waiting).toBe(0);
  // That is said with the next look.
  await world.clock.advance(200);
  await bringAll(world);
  other.arrive(0);
  await settle();
  await bringAll(world);
  await world.clock.advance(30_000);
  await bringAll(world);
  expect(world.control.stuck).toEqual([]);
  await world.clock.advance(31_000);
  await bringAll(world);
  expect(world.control.stuck).toHaveLength(1);
});

test("a control that begins gives out nothing of instances that were there until every gateway has said what it has", async () => {
  const world = await pair();
  const { owner, other } = ownerOf(world);
  world.control.keeper.stop();
  for (const gateway of world.gateways) gateway.lose();
  owner.arrive(0);
  other.arrive(0);
  const table = limitedTable((world.version += 1_000), 1, ["i"]);
  world.control = new SharingControl(world.clock, table, { before: known, places: world.places });
  other.connect();
  await world.clock.advance(5_000);
  await bringAll(world);
  expect(other.waiting).toBe(1);
  // Of one that wasn't, it does.
  world.instances = ["i", "new"];
  publish(world);
  await bringAll(world);
  expect([other.busy().get("new"), other.waiting]).toEqual([1, 0]);
  owner.connect();
  owner.end(0);
  other.arrive(0);
  await bringAll(world);
  await world.clock.advance(300);
  await bringAll(world);
  expect([other.busy().get("i"), other.waiting]).toEqual([1, 0]);
});
