/**
 * The scaling port: the Revision controller says what may run and under which settings, the autoscaler runs as much of it as the load asks
 * for. Plain values.
 */
import type { Autoscaling } from "../api/autoscaling.ts";
import type { InstanceSpec } from "../runtime/workloads.ts";

/** What counts for a Revision's number of instances, besides its load. */
export interface ScaleInput {
  /** Whether an instance was ever ready. */
  wasReady: boolean;
  /** Whether a Route leads to it, with 0 percent too, or is about to. */
  routed: boolean;
  settings: Autoscaling;
  /** Most requests at once that an instance gets; 0 is no limit. */
  concurrency: number;
}

/** A change of the number of instances. */
export interface ScalingStep {
  /** Milliseconds since the epoch; no two steps of a Revision have the same. */
  at: number;
  from: number;
  to: number;
  /** A sentence with the figures: "why 3?". */
  why: string;
  /** The same without figures, for what is told again and again. */
  gist: string;
  /** More is wanted than the most allows. */
  limited: boolean;
}

/** Revisions are named by `namespace/name`. */
export interface ScalingPort {
  /** How many instances `declare` would run. Changes nothing. */
  decide(revision: string, input: ScaleInput): number;
  /** From now on instances of `spec` run for the Revision, as many as its load asks for, also when that changes. */
  declare(revision: string, input: ScaleInput, spec: InstanceSpec): void;
  /** An instance is needed: a request waits, or is about to come. */
  wake(revision: string): void;
  /** What new instances need is missing: what runs goes on, and nothing more is started, until the Revision is declared again. */
  hold(revision: string): void;
  /** No instance runs any more, and the Revision is forgotten. */
  remove(revision: string): void;
  /** The last changes in this run of control, the oldest first. */
  steps(revision: string): readonly ScalingStep[];
  /** Called when the number of a Revision's instances was changed by load. Returns the unsubscribing function. */
  subscribe(listener: (revision: string) => void): () => void;
}
