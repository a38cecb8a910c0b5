/** Wiring of the Route controller. */
import { configurationLabel } from "../../api/labels.ts";
import { wasReady } from "../../api/revision.conditions.ts";
import type { Route } from "../../api/route.ts";
import type { Secret } from "../../api/secret.ts";
import { type Controller, keyOf, startController } from "../../controller/index.ts";
import { later } from "../../lib/later.ts";
import { generationOf } from "../configuration/names.ts";
import type { ReconcilerDeps } from "../deps.ts";
import { latestReadyName } from "../configuration/latest-ready.ts";
import { followedBy, namedBy } from "../informers.ts";
import type { CertificateWanted } from "../../routing/certificates.ts";
import { createDomainClaims } from "./domains.ts";
import type { HttpsView, TlsSecret } from "./https.ts";
import { absentRoute, planRoute } from "./plan.ts";
import type { ConfigurationView, RevisionView } from "./resolve.ts";

export function startRouteController(deps: ReconcilerDeps): Controller {
  const { certificates, informers, ledger, workloads } = deps;
  const { configurations, revisions, routes, secrets } = informers;
  const claims = createDomainClaims(routes.list(), deps.domain);
  /** What each Route has asked certificates for. */
  const certified = new Map<string, readonly CertificateWanted[]>();

  const configurationsOf = (route: Route): Map<string, ConfigurationView> => {
    const namespace = route.metadata.namespace ?? "";
    const views = new Map<string, ConfigurationView>();
    for (const name of followedBy(route)) {
      const key = `${namespace}/${name}`;
      const configuration = configurations.get(key);
      if (configuration === undefined || configuration.metadata.deletionTimestamp !== undefined) continue;
      const latestReady = latestReadyName(configuration, revisions.by("configuration", key));
      views.set(name, { latestReady, latestCreated: configuration.status?.latestCreatedRevisionName });
    }
    return views;
  };
  const revisionsOf = (route: Route, names: Iterable<string>): Map<string, RevisionView> => {
    const namespace = route.metadata.namespace ?? "";
    const views = new Map<string, RevisionView>();
    for (const name of names) {
      const revision = revisions.get(`${namespace}/${name}`);
      if (revision === undefined) continue;
      const instances = workloads.get({ namespace, name })?.instances ?? [];
      views.set(name, {
        configuration: revision.metadata.labels?.[configurationLabel] ?? "",
        generation: generationOf(revision),
        wasReady: wasReady(revision.status?.conditions),
        readyInstances: instances.filter(({ phase }) => phase === "ready").length,
      });
    }
    return views;
  };

  const httpsOf = (route: Route): HttpsView | undefined => {
    if (certificates === undefined) return undefined;
    const namespace = route.metadata.namespace ?? "";
    const names = (route.spec.tls ?? []).map(({ secretName }) => secretName);
    return {
      wanted: certified.get(keyOf(route)) ?? [],
      states: certificates.state(keyOf(route)),
      secrets: new Map(names.map((name) => [name, tlsSecret(name, secrets.get(`${namespace}/${name}`))])),
    };
  };

  return startController(deps, {
    name: "route",
    informer: routes,
    observe(route) {
      const followed = configurationsOf(route);
      const serving = ledger.get(keyOf(route));
      const names = new Set([
        ...namedBy(route),
        ...[...followed.values()].flatMap(({ latestReady, latestCreated }) =>
          [latestReady ?? [], latestCreated ?? []].flat(),
        ),
        ...(serving?.split.served ?? []).map(({ revisionName }) => revisionName),
      ]);
      const https = httpsOf(route);
      return {
        route,
        domains: claims.get(keyOf(route)),
        ...(https === undefined ? {} : { https }),
        configurations: followed,
        revisions: revisionsOf(route, names),
        serving,
        domain: deps.domain,
        urlOf: deps.urlOf,
        progressDeadlineMs: deps.progressDeadlineMs,
        counted: (revision, at) =>
          deps.outcomes.since(keyOf(route), `${route.metadata.namespace ?? ""}/${revision}`, at),
      };
    },
    plan: planRoute,
    absent: () => absentRoute,
    execute(action, key) {
      switch (action.do) {
        case "assign":
          ledger.assign(key, action.split, action.wanted);
          return;
        case "wake":
          deps.scaling.wake(action.revision);
          return;
        case "claim":
          claims.claim(key, action.domains);
          return;
        case "certify":
          certified.set(key, action.wanted);
          certificates?.want(key, action.wanted);
          return;
        case "unassign":
          claims.claim(key, []);
          certified.delete(key);
          certificates?.want(key, []);
          ledger.unassign(key);
          return;
      }
    },
    watch(enqueue) {
      const enqueueAll = (found: readonly Route[]) => {
        for (const route of found) enqueue(keyOf(route));
      };
      // A Route waits for a Revision also before it names it: by what it follows, and by what it has told the gateways.
      const concerned = (revision: string) => {
        enqueueAll(routes.by("revision", revision));
        for (const route of ledger.routesOf(revision)) enqueue(route);
      };
      const ends = [
        configurations.subscribe(({ object }) => enqueueAll(routes.by("configuration", keyOf(object)))),
        revisions.subscribe(({ object, old }) => {
          concerned(keyOf(object));
          if (!wasReady(object.status?.conditions) || wasReady(old?.status?.conditions)) return;
          const name = object.metadata.labels?.[configurationLabel] ?? "";
          enqueueAll(routes.by("configuration", `${object.metadata.namespace ?? ""}/${name}`));
        }),
        workloads.subscribe(({ namespace, name }) => later(() => concerned(`${namespace}/${name}`))),
        ledger.subscribe((route) => enqueue(route)),
        claims.subscribe((route) => enqueue(route)),
        secrets.subscribe(({ object }) => enqueueAll(routes.by("secret", keyOf(object)))),
        certificates?.subscribe((route) => enqueue(route)) ?? (() => {}),
        // Each second of each Route with a guard and requests, of which only what is being watched is looked at.
        deps.outcomes.subscribe((route) => {
          const watches = routes.get(route)?.status?.guard ?? [];
          if (watches.some(({ trippedAt }) => trippedAt === undefined)) enqueue(route);
        }),
      ];
      return () => {
        for (const end of ends) end();
      };
    },
  });
}

const tlsType = "kubernetes.io/tls";

/** A certificate and its key, as they stand in a Secret. */
function tlsSecret(name: string, secret: Secret | undefined): TlsSecret {
  if (secret === undefined) return { fault: `Secret "${name}" not found` };
  if (secret.type !== tlsType) {
    return { fault: `Secret "${name}" has type "${secret.type ?? "Opaque"}": make one of type ${tlsType}` };
  }
  const { "tls.crt": cert = "", "tls.key": key = "" } = secret.data ?? {};
  return { cert: Buffer.from(cert, "base64").toString("utf8"), key: Buffer.from(key, "base64").toString("utf8") };
}
