import { describe, expect, it } from "vitest";
import { startWorld } from "../../test/support/world.ts";
import { Build } from "../api/build.ts";
import { Configuration } from "../api/configuration.ts";
import { Revision } from "../api/revision.ts";
import type { Client } from "../client/client.ts";

/** A client whose process dies at its `last` write: that one is lost, or done without an answer; none comes after it. */
function dyingClient(client: Client, last: number, lost: boolean): { client: Client; died: () => boolean } {
  let writes = 0;
  const write = async <T>(perform: () => Promise<T>): Promise<T> => {
    writes += 1;
    if (writes < last) return perform();
    if (writes === last && !lost) await perform();
    throw new Error("Cannot write: the process has died");
  };
  const dying: Client = {
    ...client,
    create: (kind, object, options) => write(() => client.create(kind, object, options)),
    update: (kind, object, options) => write(() => client.update(kind, object, options)),
    updateStatus: (kind, object, options) => write(() => client.updateStatus(kind, object, options)),
    patch: (kind, key, patch, options) => write(() => client.patch(kind, key, patch, options)),
    delete: (kind, key, options) => write(() => client.delete(kind, key, options)),
  };
  return { client: dying, died: () => writes >= last };
}

describe("startControllers()", () => {
  it.each([
    ["is lost", true],
    ["is done but not answered", false],
  ])(
    "makes each Revision once and goes on wherever it crashed, where the last write %s",
    { timeout: 60_000 },
    async (_, lost) => {
      const world = await startWorld();
      let crashes = 0;
      for (let last = 1; ; last += 1) {
        const name = `service-${last}`;
        const dying = dyingClient(world.client, last, lost);
        await world.restart(() => dying.client);
        await world.configure(name);
        await world.route(name, [{ configurationName: name, percent: 100 }]);
        const served = async () =>
          (await world.get(Configuration, name)).status?.latestReadyRevisionName === `${name}-00001`;
        await expect.poll(async () => dying.died() || (await served()), { interval: 2 }).toBe(true);
        if (dying.died()) crashes += 1;

        await world.restart();
        await world.serves(name, [{ revisionName: `${name}-00001`, percent: 100 }]);
        const revisions = (await world.list(Revision)).filter(({ metadata }) => metadata.name.startsWith(`${name}-`));
        expect(revisions.map(({ metadata }) => metadata.name)).toEqual([`${name}-00001`]);
        expect(world.workloads.count(`${name}-00001`)).toBe(1);
        if (!dying.died()) break;
      }
      // Creating the Revision, and at least two statuses of each kind.
      expect(crashes).toBeGreaterThanOrEqual(6);
    },
  );

  it.each([
    ["is lost", true],
    ["is done but not answered", false],
  ])("builds each image once wherever it crashed, where the last write %s", { timeout: 60_000 }, async (_, lost) => {
    const world = await startWorld();
    let crashes = 0;
    for (let last = 1; ; last += 1) {
      const name = `service-${last}`;
      const dying = dyingClient(world.client, last, lost);
      await world.restart(() => dying.client);
      const source = { git: { url: "https://git.example/app", commit: "0".repeat(40) } };
      await world.configureBuild(name, { source, steps: [{ image: "tools" }] });
      const ready = async () =>
        (await world.get(Configuration, name)).status?.latestReadyRevisionName === `${name}-00001`;
      await expect.poll(async () => dying.died() || (await ready()), { interval: 2 }).toBe(true);
      if (dying.died()) crashes += 1;

      await world.restart();
      await expect.poll(ready, { interval: 5 }).toBe(true);
      const ownNames = (objects: { metadata: { name: string } }[]) =>
        objects.map(({ metadata }) => metadata.name).filter((one) => one.startsWith(`${name}-`));
      expect(ownNames(await world.list(Revision))).toEqual([`${name}-00001`]);
      expect(ownNames(await world.list(Build))).toEqual([`${name}-00001`]);
      const { uid } = (await world.get(Build, `${name}-00001`)).metadata;
      expect(world.builds.began.filter((one) => one === uid)).toHaveLength(1);
      expect((await world.get(Revision, `${name}-00001`)).spec.buildName).toBe(`${name}-00001`);
      if (!dying.died()) break;
    }
    // Creating the Build and the Revision, and at least two statuses of each kind.
    expect(crashes).toBeGreaterThanOrEqual(8);
  });
});
