/** What the store and its worker thread say to each other. Values travel as JSON texts: cheaper than cloning, and written as they are. */

export interface WorkerOptions {
  path: string;
  /** The most bytes that the file may grow to. */
  maxBytes?: number;
}

/** One version of an object, as a row holds it. */
export interface Row {
  revision: number;
  collection: string;
  key: string;
  created: number;
  deleted: 0 | 1;
  value: string;
}

/** One transaction: versions to add, and versions that nothing needs any more. */
export interface CommitRequest {
  do: "commit";
  id: number;
  rows: Row[];
  drop: number[];
  /** The newest revision after it. */
  revision: number;
  /** Changes up to it are forgotten. */
  forgotten: number;
}

/** `next` asks for more rows while the file is read: one part at a time, so that parts don't pile up before the loop that takes them. */
export type Request = CommitRequest | { do: "next" } | { do: "close" };

/** A failure of SQLite, with its extended result code where it gave one. */
export interface Failure {
  message: string;
  code?: number;
}

export type Reply =
  | { is: "opened"; revision: number; forgotten: number }
  | { is: "rows"; rows: Row[] }
  | { is: "ready" }
  | { is: "unusable"; message: string }
  /** `revision` is what the file really ends with after a failure, where that could be read. */
  | { is: "settled"; id: number; failure?: Failure; revision?: number }
  | { is: "closed" };
