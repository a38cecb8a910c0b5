import type { Kind } from "../api/meta/kind.ts";
import type { Verb } from "../api/meta/service.ts";
import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { CollectionView, Store } from "../store/store.ts";
import type { VirtualKind } from "./virtual-kinds.ts";

/** What a request wants to do, as authorization sees it. `resource` is the plural, `subresource` such as `status`. */
interface RequestAttributes {
  verb: Verb;
  group: string;
  version: string;
  resource: string;
  subresource?: string;
  namespace?: string;
  name?: string;
}

/** Rejects with a `Forbidden` ApiError where the user may not. */
export type Authorize = (user: UserInfo, attributes: RequestAttributes) => Promise<void>;

/** An object on its way into the store, after validation. */
export interface Admission {
  operation: "create" | "update" | "delete";
  kind: Kind;
  user: UserInfo;
  /** The object to be stored; of a deletion the object that goes. Not to be changed. */
  object: KubeObject;
  /** The stored object, on update. */
  old?: KubeObject;
  subresource?: "status";
}

export interface ApiServiceOptions {
  store: Store;
  /** Every kind that is served, the virtual ones too. */
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
  authorize: Authorize;
  /** Kinds that are views of something else; writing them is refused. */
  virtual?: readonly VirtualKind[];
  /** Whether objects tell who made and changed them, and only the platform makes Revisions. Absent: so it is. */
  ownership?: boolean;
  /** Namespaces that can't be deleted. Absent: those of an Elafros of its own. */
  standing?: readonly string[];
  /** Refuses an object by rejecting with an ApiError; also runs on dry runs. */
  admit?: (admission: Admission) => Promise<void>;
}

/** Where the objects of a kind are read. */
export interface Source {
  readonly view: CollectionView;
  /** The newest revision. */
  revision(): number;
}

/** What the operations share. */
export interface ServiceCore {
  store: Store;
  kinds: readonly Kind[];
  clock: Clock;
  log: Log;
  authorize: Authorize;
  ownership: boolean;
  standing: readonly string[];
  admit: (admission: Admission) => Promise<void>;
  source(kind: Kind): Source;
  isVirtual(kind: Kind): boolean;
}
