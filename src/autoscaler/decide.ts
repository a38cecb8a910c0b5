/**
 * How many instances a Revision should have. Pure; for now it knows routing only: scaling with the load comes later, through the
 * same function.
 */

/** What counts for the decision. */
export interface ScaleInput {
  /** Whether an instance was ever ready. */
  wasReady: boolean;
  /** Whether a Route leads to it, with 0 percent too, or is about to. */
  routed: boolean;
}

/** A new Revision runs one instance until it was ready once, routed or not; after that one for as long as a Route leads to it. */
export function decide(input: ScaleInput): number {
  return !input.wasReady || input.routed ? 1 : 0;
}
