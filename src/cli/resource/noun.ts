import type { Kind } from "../../api/meta/kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Session } from "../factory.ts";

/** What the common verbs need to know about a kind of thing. */
export interface Noun<T extends KubeObject> {
  /** `revision`, `revisions`. */
  singular: string;
  plural: string;
  kind: Kind<T>;
  /** The table of `list`; absent where the noun has a list of its own. */
  table?: { columns: readonly string[]; row(object: T, now: number): string[] };
  /** Labels of what `list` shows, as a selector; absent: all. */
  listed?: string;
  /** First lines of `describe`: what matters most, as label and value. */
  summary(object: T, now: number): [label: string, value: string][];
  /** What `describe` shows beside conditions and Events: a title and a table, left out where it has no rows. */
  section?(object: T, now: number): { title: string; columns: string[]; rows: string[][] };
  /** What `describe` shows as YAML. */
  body(object: T): unknown;
  /** Other names for an object on the command line, such as Ids of revisions. */
  resolve?(session: Session, name: string, service: string | undefined): Promise<string>;
  /** The namespace that an object is in, where it may be in another one than the session's. */
  namespaceOf?(session: Session, name: string): Promise<string>;
  /** Said after a delete that was accepted: why the object is still there, for example. */
  afterDelete?(session: Session, name: string): Promise<{ held: boolean; note?: string }>;
  /** Whether `--service` makes sense, to look names up in. */
  hasService?: boolean;
  examples: { list: readonly string[]; describe: readonly string[]; delete: readonly string[] };
}
