/** What a sequence of recorded or simulated objects tells, without what differs from run to run: names, addresses, times, and how often. */

interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
}

interface StoryObject {
  kind?: string;
  metadata: { name: string; deletionTimestamp?: string; deletionGracePeriodSeconds?: number };
  spec?: { unschedulable?: boolean; taints?: { key: string; effect: string }[] };
  type?: string;
  reason?: string;
  message?: string;
  endpoints?: { conditions?: object }[] | null;
  status?: {
    phase?: string;
    conditions?: Condition[];
    containerStatuses?: { ready: boolean; state?: Record<string, { reason?: string; exitCode?: number }> }[];
  };
}

/** One event of a watch; `kind` is the object's. */
export interface StoryEvent {
  type: string;
  kind: string;
  object: StoryObject;
}

/** By what it is about, what was told of it, each thing once, in the order in which it came first. */
export type Story = Record<string, string[]>;

/** Names that are made up get numbers, in the order in which they come. */
class Names {
  readonly #known = new Map<string, string>();

  readonly #number = (prefix: string, name: string): string => {
    let known = this.#known.get(name);
    if (known === undefined) {
      const count = [...this.#known.values()].filter((one) => one.startsWith(prefix)).length;
      this.#known.set(name, (known = `${prefix}${count + 1}`));
    }
    return known;
  };

  plain(text: string): string {
    return text
      .replaceAll(/\bapp-[0-9a-z]{8,10}-[0-9a-z]{5}(?![0-9a-z-])/g, "POD")
      .replaceAll(/\bapp-[0-9a-z]{8,10}\b/g, (name) => this.#number("SET", name))
      .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UID")
      .replaceAll(/\b10\.244\.\d+\.\d+\b/g, "IP");
  }
}

/** The story of a sequence. */
export function storyOf(events: readonly StoryEvent[]): Story {
  const names = new Names();
  const story: Story = {};
  const add = (about: string, text: string): void => {
    const told = (story[about] ??= []);
    const plain = names.plain(text);
    if (!told.includes(plain)) told.push(plain);
  };
  for (const { type, kind, object } of events) {
    const { status = {} } = object;
    if (kind === "Event") {
      // Of Events only warnings were kept.
      if (object.type === "Warning") add("warnings", `${object.reason ?? ""}: ${object.message ?? ""}`);
      continue;
    }
    if (kind === "Pod") add("Pods", podText(type, object));
    // How a Node was before is of no scenario.
    if (kind === "Node" && type !== "ADDED") add("Nodes", nodeText(object));
    if (kind === "Node" && type === "ADDED") continue;
    if (kind === "EndpointSlice") {
      for (const { conditions } of object.endpoints ?? []) add("endpoints", JSON.stringify(conditions));
      continue;
    }
    for (const { type: condition, status: word, reason = "", message = "" } of status.conditions ?? []) {
      add(`${kind} ${condition}`, `${word} ${reason}: ${message}`);
    }
  }
  return story;
}

function podText(type: string, { metadata, status = {} }: StoryObject): string {
  const states = (status.containerStatuses ?? []).map(({ ready, state = {} }) => {
    const [[name, { reason, exitCode }] = ["none", {} as { reason?: string; exitCode?: number }]] =
      Object.entries(state);
    return [name, reason, exitCode, ready ? "ready" : "not ready"].filter((word) => word !== undefined).join(" ");
  });
  const grace = metadata.deletionGracePeriodSeconds ?? 0;
  const ending = metadata.deletionTimestamp === undefined ? "" : ` ending in ${grace} s`;
  // In which of its ways to wait a Pod is deleted is chance.
  if (ending !== "" && status.phase === "Pending") return `${type === "DELETED" ? "gone " : ""}Pending${ending}`;
  return `${type === "DELETED" ? "gone " : ""}${status.phase ?? ""}${ending}: ${states.join(", ")}`;
}

function nodeText({ spec = {} }: StoryObject): string {
  const taints = (spec.taints ?? []).map(({ key, effect }) => ` ${key}:${effect}`).join(",");
  return `${spec.unschedulable === true ? "unschedulable" : "schedulable"}${taints}`;
}

/** Where two stories differ, by what they are about: lines that one alone tells, and another order of what both tell. */
export function storyDifferences(recorded: Story, simulated: Story): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const about of new Set([...Object.keys(recorded), ...Object.keys(simulated)])) {
    const [there, here] = [recorded[about] ?? [], simulated[about] ?? []];
    for (const line of there) found[`${about}: ${line}`] = here.includes(line) ? [] : ["is told by Kubernetes alone"];
    for (const line of here) found[`${about}: ${line}`] ??= ["is told by the simulation alone"];
    const [order, other] = [there.filter((line) => here.includes(line)), here.filter((line) => there.includes(line))];
    if (order.join("\n") !== other.join("\n")) found[`${about}: in order`] = [...order, "and here", ...other];
  }
  return found;
}
