/** What every way of fetching needs. */
import type { Budget } from "./budget.ts";

export interface FetchContext {
  /** Where the source goes: empty. */
  workspace: string;
  /** For files that aren't source, on the same disk; removed afterwards. */
  temporary: string;
  budget: Budget;
  /** Directories below which `file:` repositories may lie. */
  fileSources: readonly string[];
  /** The environment of programs: with `HOME`, where the credentials are. */
  env: NodeJS.ProcessEnv;
  /** Writes a line of the step's log. */
  log(line: string): void;
}
