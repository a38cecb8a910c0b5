/**
 * What a new control finds of builds: those that go on are taken over in the middle of whatever they did, those that have ended are known with their state, those that
 * a reboot has ended wait to be declared again, and what no record knows is removed.
 */
import { mkdir, rm, stat } from "node:fs/promises";
import { basename } from "node:path";
import type { BuildContext } from "./build-context.ts";
import {
  buildPaths,
  type BuildRecord,
  jobsDir,
  readRecord,
  readState,
  saveState,
  type StoredBuild,
} from "./build-record.ts";
import { removeBuild, removeLarge, removeWork, resetBuild } from "./build-remove.ts";
import { cleanContainer, findRun, type Run } from "./container.ts";
import { names, readText } from "./files.ts";
import { containerId } from "./record.ts";

export interface AdoptedBuilds {
  going: { record: BuildRecord; run?: Run }[];
  /** Ended; or, where `endedAt` is missing, to be begun again once their spec is known. */
  others: StoredBuild[];
}

/** Finds what there is, and removes what nothing is known of. */
export async function adoptBuilds(ctx: BuildContext): Promise<AdoptedBuilds> {
  const { places, driver } = ctx;
  for (const dir of [jobsDir(places), places.memory]) await mkdir(dir, { recursive: true, mode: 0o700 });
  const found: AdoptedBuilds = { going: [], others: [] };
  for (const id of new Set([...(await names(jobsDir(places))), ...(await names(places.memory))])) {
    const [record, state] = await Promise.all([readRecord(places, id), readState(places, id)]);
    const goes = record !== undefined && record.bootId === driver.bootId && state?.endedAt === undefined;
    if (goes && record.removed !== true) found.going.push(await goOn(ctx, record));
    else if (state === undefined || record?.removed === true) {
      driver.log.info({ build: id }, "Removing what is left of a build");
      await removeBuild(ctx, record ?? { id });
    } else found.others.push(await settle(ctx, state, record?.attempt));
  }
  return found;
}

/** A build of which nothing runs: what it left is removed. */
async function settle(ctx: BuildContext, state: StoredBuild, attempt: number | undefined): Promise<StoredBuild> {
  const paths = buildPaths(ctx.places, state.id);
  const left = (await names(paths.disk)).filter(
    (name) => ![paths.state, paths.logs].map((path) => basename(path)).includes(name),
  );
  const known = state.endedAt !== undefined;
  if (attempt !== undefined || left.length > 0 || !known) {
    await removeWork(ctx, { id: state.id, ...(attempt === undefined ? {} : { attempt }) });
  }
  if (!known) {
    resetBuild(state);
    await rm(paths.logs, { recursive: true, force: true });
    await saveState(ctx.places, state);
  }
  return state;
}

/** A build in the middle of its steps, before the first, or after the last. */
async function goOn(ctx: BuildContext, record: BuildRecord): Promise<AdoptedBuilds["going"][number]> {
  const { driver } = ctx;
  const { id, attempt } = record;
  const paths = buildPaths(ctx.places, id);
  const step = record.steps.find(({ phase }) => phase !== "ended");
  const begun = attempt > 0 && step?.attempt === attempt;
  const run = begun ? await findRun(driver, { id, attempt, paths }) : undefined;
  if (begun && run !== undefined) {
    step.phase = "running";
    step.startedAt ??= Math.round((await stat(paths.pid)).mtimeMs);
    return { record, run: { ...run, address: "" } };
  }
  if (begun) {
    const ran = (await readText(paths.pid)) !== undefined && !(await driver.runtime.isHeld(containerId(record)));
    if (ran) {
      // Done twice it could do something else: it has failed.
      Object.assign(step, { phase: "ended", endedAt: driver.clock.now(), exitCode: 255 });
      step.message = "its monitor was lost, and with it how it ended";
    } else {
      step.phase = "waiting";
      delete step.attempt;
    }
  }
  if (attempt > 0) await cleanContainer(driver, { id, attempt, paths }, removeLarge);
  return { record };
}
