import type { Kind } from "../api/meta/kind.ts";
import type { KubeObject } from "../api/meta/types.ts";
import type { Change, Store } from "../store/store.ts";
import { resourceOf } from "./service-names.ts";

/** What follows the store: told of each object that is there, then of each change, in order within a kind. */
export interface Follower {
  /** `previous` is absent where the object is new, or was there from the start. */
  seen(kind: Kind, object: KubeObject, previous: KubeObject | undefined): void;
  gone(kind: Kind, object: KubeObject): void;
}

/** Tells `follower` of everything in the collections of `kinds`, and goes on telling; the returned function ends it. */
export function followStore(store: Store, kinds: readonly Kind[], follower: Follower): () => void {
  const ends = kinds.map((kind) => {
    const view = store.collection(resourceOf(kind));
    let cursor = store.revision;
    for (const { value } of view.range("")) follower.seen(kind, value, undefined);
    const tell = ({ value, previous, deleted }: Change): void => {
      if (deleted) follower.gone(kind, value);
      else follower.seen(kind, value, previous);
    };
    return view.subscribe(() => {
      // Called in the same turn in which changes were made: none of them can be forgotten yet, unless history is shorter than a group.
      for (const change of view.changesAfter(cursor, Number.POSITIVE_INFINITY) ?? []) tell(change);
      cursor = store.revision;
    });
  });
  return () => {
    for (const end of ends) end();
  };
}
