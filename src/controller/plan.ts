/**
 * What a reconciler says: a plan is data. It is made by a pure function of what was observed and the time, so it can be printed,
 * compared and tested in tables; the shell (`controller.ts`) does what it says.
 */

/** Something that a person would ask about; recorded as a core/v1 Event on the object, after the plan was carried out. */
export interface PlannedEvent {
  type: "Normal" | "Warning";
  /** One word, UpperCamelCase. */
  reason: string;
  message: string;
  /** Events of one kind that may be many have a limit of their own, so that they don't keep others from being told. */
  budget?: string;
  /** Told once while this process runs, however often it is planned. */
  once?: boolean;
}

export interface Plan<Status, Action> {
  /** Carried out in this order; the first that fails ends the run, and the whole is planned anew later. */
  actions: readonly Action[];
  /** The whole status that the object should have; absent leaves it alone. Written after the actions, only where it differs. */
  status?: Status;
  events: readonly PlannedEvent[];
  /** Plan again after so many milliseconds, whatever happens. */
  requeueAfterMs?: number;
}

/** A failure that trying again can't mend: it is logged once, and the key waits for a change. */
export class TerminalError extends Error {
  override readonly name = "TerminalError";
}
