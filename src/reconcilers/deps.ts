/** What the reconcilers' wiring shares: the informers of every kind that they look at, and the ports. */
import type { BuildTemplate } from "../api/build-template.ts";
import type { Build } from "../api/build.ts";
import type { ConfigMap } from "../api/config-map.ts";
import type { Configuration } from "../api/configuration.ts";
import type { Namespace } from "../api/namespace.ts";
import type { Revision } from "../api/revision.ts";
import type { Route } from "../api/route.ts";
import type { Secret } from "../api/secret.ts";
import type { ServiceAccount } from "../api/service-account.ts";
import type { ControllerDeps, Informer } from "../controller/index.ts";
import type { ScalingPort } from "../autoscaler/port.ts";
import type { BuildsPort } from "../runtime/builds.ts";
import type { ImagesPort } from "../runtime/images.ts";
import type { CertificatesPort } from "../routing/certificates.ts";
import type { OutcomesPort, TrafficPort } from "../routing/traffic.ts";
import type { WorkloadsPort } from "../runtime/workloads.ts";
import type { Ledger } from "./route/ledger.ts";

export interface Informers {
  configurations: Informer<Configuration>;
  revisions: Informer<Revision>;
  routes: Informer<Route>;
  builds: Informer<Build>;
  buildTemplates: Informer<BuildTemplate>;
  secrets: Informer<Secret>;
  configMaps: Informer<ConfigMap>;
  serviceAccounts: Informer<ServiceAccount>;
  namespaces: Informer<Namespace>;
}

export interface ReconcilerDeps extends ControllerDeps {
  informers: Informers;
  workloads: WorkloadsPort;
  images: ImagesPort;
  builds: BuildsPort;
  traffic: TrafficPort;
  /** What becomes of requests of Routes with a guard. */
  outcomes: OutcomesPort;
  ledger: Ledger;
  /** Absent: the platform serves no HTTPS. */
  certificates: CertificatesPort | undefined;
  /** Hosts are `{route}.{namespace}.{domain}`. */
  domain: string;
  /** The URL that clients call for a host. */
  urlOf: (host: string) => string;
  /** Where a Revision's output can be read. */
  logUrlOf: (revision: { namespace: string; name: string }) => string;
  /** How long finished Builds and their logs are kept. */
  buildRetentionMs: number;
  /** Runs as many instances of a Revision as its load asks for. */
  scaling: ScalingPort;
  /** Whether the last instance can be frozen. */
  freezes: boolean;
  /** Until a Revision must be ready and a split served, before a condition says that it is late. */
  progressDeadlineMs: number;
}
