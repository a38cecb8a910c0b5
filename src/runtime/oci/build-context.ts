import type { DriverContext } from "./context.ts";
import type { Bases } from "./build-bases.ts";
import type { BuildPlaces } from "./build-record.ts";
import type { Tools } from "./build-tools.ts";

/** Bounds of builds. Bytes and milliseconds. */
export interface BuildLimits {
  /** Builds under way at once. */
  builds: number;
  /** Memory of a step that doesn't ask for another amount. */
  stepMemoryBytes: number;
  /** Processes and threads of a step. */
  stepPids: number;
  /** What the source step may put into the workspace. */
  sourceBytes: number;
  sourceEntries: number;
  /** What builds leave free on their disk. */
  reserveBytes: number;
  /** A cache that no build has used for so long is removed. */
  cacheMs: number;
}

/** What every build of a driver shares. */
export interface BuildContext {
  driver: DriverContext;
  places: BuildPlaces;
  limits: BuildLimits;
  tools: Tools;
  bases: Bases;
  /** Their directory. */
  basesDir: string;
  /** The path of an uploaded archive; undefined where the namespace has none of that digest. */
  sourceFile(namespace: string, digest: string): Promise<string | undefined>;
  /** Directories of this machine that hold repositories which anyone may build from. */
  fileSources: readonly string[];
}
