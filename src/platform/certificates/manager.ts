/**
 * Gets and renews the certificates that Routes want, and brings them to the gateways. What works is served on until something better is
 * there: a renewal that fails, a Secret that turned bad, or a new name that waits for its certificate take nothing away.
 */
import { isDeepStrictEqual } from "node:util";
import { backoffMs } from "../../lib/backoff.ts";
import { type Clock, rfc3339 } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import type { CertificatesPort, CertificateState, CertificateWanted } from "../../routing/certificates.ts";
import { Budgets } from "./budgets.ts";
import { FairQueue } from "./fair-queue.ts";
import type { CertificateFeed } from "./feed.ts";
import { checkGiven, type Fault } from "../../lib/certificates/given.ts";
import { covers } from "../../lib/certificates/inspect.ts";
import { IssueError, type Issuer } from "./issuer.ts";
import type { Leaf, Leaves } from "./leaves.ts";

/** How long what no Route wants at the start is kept: those of a backup may be put back after their certificates, and each costs an order. */
const unwantedMs = 3_600_000;
/** The longest time that a timer waits; what is further off is looked at again then. */
const lookMs = 12 * 3_600_000;

export interface ManagerOptions {
  feed: CertificateFeed;
  leaves: Leaves;
  /** Where a certificate for these names comes from, or why from nowhere. */
  issuerFor(names: readonly string[]): Issuer | Fault;
  clock: Clock;
  log: Log;
  random?: () => number;
}

export interface CertificateManager extends CertificatesPort {
  /** Every Route has said what it wants: what none wants an hour later either is thrown away. */
  settled(): void;
  stop(): void;
}

/** One certificate that is wanted. */
interface Unit {
  readonly id: string;
  readonly route: string;
  wanted: CertificateWanted;
  /** What is served: its names, when it ends, and whether it is of where such a certificate comes from by now. */
  served: { names: readonly string[]; notAfter: number; current: boolean } | undefined;
  /** Every gateway has had it once. */
  confirmed: boolean;
  fault: Fault | undefined;
  failures: number;
  /** It waits for its issuer, or is being made. */
  queued: boolean;
  cancel: () => void;
}

/** Creates a manager that wants nothing yet. */
export function createCertificateManager(options: ManagerOptions): CertificateManager {
  const { feed, leaves, clock, log, random = Math.random } = options;
  const units = new Map<string, Unit>();
  const byRoute = new Map<string, Unit[]>();
  const listeners = new Set<(route: string) => void>();
  const unconfirmed = new Set<Unit>();
  const queues = new Map<Issuer, FairQueue<Unit>>();
  const budgets = new Budgets();
  let stopped = false;
  let cancelThrowing = (): void => {};

  const tell = (route: string) => {
    for (const listener of listeners) listener(route);
  };
  const isHere = (unit: Unit) => units.get(unit.id) === unit;

  /** Looks what is to be done for a unit that is new, has changed, or whose time has come. */
  const consider = (unit: Unit): void => {
    unit.cancel();
    const { given, names } = unit.wanted;
    if (given !== undefined) return serveGiven(unit, { given, names });
    const issuer = options.issuerFor(names);
    if (!("issue" in issuer)) {
      unit.fault = issuer;
      return;
    }
    const leaf = leaves.get(unit.id);
    const now = clock.now();
    if (leaf !== undefined && leaf.notAfter > now) {
      const current = leaf.issuer === issuer.name;
      serve(unit, leaf, current);
      const due = renewAt(leaf) - now;
      if (current && names.every((name) => covers(leaf.names, name)) && due > 0) {
        unit.fault = undefined;
        lookAfter(unit, due);
        return;
      }
    }
    enqueue(unit, issuer);
  };

  const serveGiven = (unit: Unit, wanted: Required<Pick<CertificateWanted, "names" | "given">>): void => {
    const found = checkGiven(wanted, clock.now());
    if ("reason" in found) {
      unit.fault = found;
      return;
    }
    unit.fault = undefined;
    unit.served = { names: wanted.names, notAfter: found.notAfter, current: true };
    // Only the names that are its Route's, whatever else stands in the certificate.
    feed.put({ id: unit.id, names: wanted.names, ...wanted.given });
    confirm(unit);
    lookAfter(unit, found.notAfter - clock.now());
  };
  const serve = (unit: Unit, { names, notAfter, cert, key }: Leaf, current: boolean): void => {
    unit.served = { names, notAfter, current };
    feed.put({ id: unit.id, names: [...names], cert, key });
    confirm(unit);
  };
  /** Whether every gateway has what serves all that is wanted; what once was so stays so, while nothing else is wanted. */
  const confirm = (unit: Unit): boolean => {
    const covered = unit.wanted.names.every((name) => covers(unit.served?.names ?? [], name));
    unit.confirmed ||= covered && feed.has(unit.id);
    return unit.confirmed;
  };
  const lookAfter = (unit: Unit, ms: number): void => {
    unit.cancel = clock.after(Math.min(Math.max(ms, 0), lookMs), () => {
      if (!isHere(unit)) return;
      consider(unit);
      tell(unit.route);
    });
  };
  const enqueue = (unit: Unit, issuer: Issuer): void => {
    if (unit.queued) return;
    unit.queued = true;
    let queue = queues.get(issuer);
    if (queue === undefined) {
      queue = new FairQueue({ atOnce: issuer.atOnce, perGroup: issuer.atOncePerNamespace });
      queues.set(issuer, queue);
    }
    queue.add(namespaceOf(unit), unit);
    pump(issuer, queue);
  };
  const pump = (issuer: Issuer, queue: FairQueue<Unit>): void => {
    if (stopped) return;
    for (let next = queue.next(); next !== undefined; next = queue.next()) {
      const { group, item: unit } = next;
      unit.queued = false;
      if (!isHere(unit) || unit.wanted.given !== undefined) {
        queue.done(group);
        continue;
      }
      unit.queued = true;
      void issue(unit, issuer).finally(() => {
        queue.done(group);
        pump(issuer, queue);
      });
    }
  };
  /** Throws where the issuer was asked as often for the namespace as it may be. */
  const spend = (unit: Unit, { budget }: Issuer): void => {
    const namespace = namespaceOf(unit);
    const wait = budget && budgets.take(namespace, budget, clock.now());
    if (budget === undefined || wait === undefined) return;
    const often = `${budget.times} certificates were asked for in ${budget.perMs / 3_600_000} hours`;
    const message = `For namespace "${namespace}" ${often}, which is its share: it goes on at ${rfc3339(clock.now() + wait)}`;
    throw new IssueError("AcmeRateLimited", message, wait);
  };
  const issue = async (unit: Unit, issuer: Issuer): Promise<void> => {
    const { names } = unit.wanted;
    try {
      spend(unit, issuer);
      const pair = await issuer.issue(issuer.namesFor(unit.wanted));
      if (stopped || !isHere(unit)) return;
      await leaves.put(unit.id, issuer.name, pair);
      unit.failures = 0;
      unit.fault = undefined;
      unit.queued = false;
      if (isHere(unit)) consider(unit);
      log.info({ route: unit.route, names, issuer: issuer.name }, "Certificate made");
    } catch (error) {
      unit.queued = false;
      if (stopped || !isHere(unit)) return;
      const reason = error instanceof IssueError ? error.reason : "CertificateAuthorityFailed";
      unit.fault = { reason, message: error instanceof Error ? error.message : String(error) };
      const wait = backoffMs(unit.failures, { ...issuer.retry, jitter: 0.2 }, random);
      const retryMs = Math.max(wait, error instanceof IssueError ? (error.retryAfterMs ?? 0) : 0);
      unit.failures += 1;
      log.warn({ route: unit.route, names, error, retryMs }, "No certificate; trying again");
      lookAfter(unit, retryMs);
    }
    tell(unit.route);
  };
  /** At two thirds of its lifetime, or up to a tenth before: so that those made at once aren't all renewed at once. */
  const renewAt = ({ id, notBefore, notAfter }: Leaf): number => {
    let at = jitters.get(id);
    if (at?.notAfter !== notAfter) jitters.set(id, (at = { notAfter, share: random() * 0.1 }));
    return notBefore + (notAfter - notBefore) * (2 / 3 - at.share);
  };
  const jitters = new Map<string, { notAfter: number; share: number }>();

  const drop = (unit: Unit): void => {
    unit.cancel();
    units.delete(unit.id);
    jitters.delete(unit.id);
    unconfirmed.delete(unit);
    feed.remove(unit.id);
    leaves.remove(unit.id).catch((error: unknown) => log.warn({ error, id: unit.id }, "Old certificate not removed"));
  };
  const unsubscribe = feed.subscribe(() => {
    for (const unit of unconfirmed) {
      if (isHere(unit) && !confirm(unit)) continue;
      unconfirmed.delete(unit);
      tell(unit.route);
    }
  });

  return {
    want(route, list) {
      const before = byRoute.get(route) ?? [];
      const after = list.map((wanted): Unit => {
        const id = `${route} ${wanted.id}`;
        const known = units.get(id);
        if (known !== undefined && isDeepStrictEqual(known.wanted, wanted)) return known;
        const unit: Unit = known ?? newUnit(id, route, wanted);
        if (!isDeepStrictEqual(unit.wanted.names, wanted.names)) {
          unit.failures = 0;
          unit.confirmed = false;
        }
        unit.wanted = wanted;
        unit.fault = undefined;
        units.set(id, unit);
        consider(unit);
        if (!unit.confirmed) unconfirmed.add(unit);
        return unit;
      });
      for (const unit of before) if (!after.includes(unit)) drop(unit);
      if (after.length === 0) byRoute.delete(route);
      else byRoute.set(route, after);
      if (before.length > 0 || after.length > 0) tell(route);
    },
    state: (route) => (byRoute.get(route) ?? []).map((unit) => stateOf(unit, clock.now())),
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    settled() {
      if (leaves.ids().every((id) => units.has(id))) return;
      cancelThrowing = clock.after(unwantedMs, () => {
        for (const id of leaves.ids()) {
          if (units.has(id)) continue;
          leaves.remove(id).catch((error: unknown) => log.warn({ error, id }, "Old certificate not removed"));
        }
      });
    },
    stop() {
      stopped = true;
      cancelThrowing();
      unsubscribe();
      for (const unit of units.values()) unit.cancel();
    },
  };
}

function namespaceOf({ route }: Unit): string {
  return route.slice(0, route.indexOf("/"));
}

function newUnit(id: string, route: string, wanted: CertificateWanted): Unit {
  return {
    id,
    route,
    wanted,
    served: undefined,
    confirmed: false,
    fault: undefined,
    failures: 0,
    queued: false,
    cancel: () => {},
  };
}

function stateOf(unit: Unit, now: number): CertificateState {
  const { wanted, served, fault } = unit;
  const common = {
    id: wanted.id,
    names: wanted.names,
    ...(served === undefined ? {} : { notAfter: served.notAfter }),
  };
  // A renewal that fails is told once what there is can't serve any more: until then all is well for who calls the Route.
  const alive = served?.current === true && served.notAfter > now;
  const whole = alive && wanted.names.every((name) => covers(served.names, name));
  if (fault !== undefined && (!whole || wanted.given !== undefined)) return { ...common, status: "failed", ...fault };
  const renewal = fault === undefined || !whole ? {} : { renewal: fault.message };
  return { ...common, ...renewal, status: whole && unit.confirmed ? "ready" : "working" };
}
