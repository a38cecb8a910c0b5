import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { Drain } from "../workloads.ts";
import type { MachineFacts } from "./bundle.ts";
import type { Cgroups } from "./cgroup.ts";
import type { ExitWatch } from "./exits.ts";
import type { Launcher } from "./launcher.ts";
import type { DriverLimits } from "./limits.ts";
import type { OciRuntime } from "./oci-runtime.ts";
import type { ImageStore, InstanceNetwork } from "./parts.ts";
import type { RootMounter, UpperKind } from "./rootfs.ts";
import type { Places } from "./record.ts";
import type { Look } from "./container.ts";

/** What every instance of a driver shares. */
export interface DriverContext {
  places: Places;
  images: ImageStore;
  network: InstanceNetwork;
  drain: Drain;
  clock: Clock;
  log: Log;
  limits: DriverLimits;
  launcher: Launcher;
  runtime: OciRuntime;
  exits: ExitWatch;
  cgroups: Cgroups;
  /** The control group that holds those of all instances, `/elafros-HASH`. */
  parentGroup: string;
  machine: MachineFacts;
  upper: UpperKind;
  mounter: RootMounter;
  bootId: string;
  /** Users of images, by image and `USER`: an image never changes. */
  looks: Map<string, Look>;
  /** Runs a start when a place is free: not all at once. */
  limitStarts<T>(start: () => Promise<T>): Promise<T>;
  /** Resolves when it is somebody's turn to prepare an instance, one after the other; the function that it gives ends the turn. */
  turnToPrepare(): Promise<() => void>;
}
