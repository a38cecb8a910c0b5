/**
 * What the commands that act on this machine, or on an installation on a cluster, call: the platform's modules, each loaded when it is first called.
 */
import type { HttpClient } from "../client/http.ts";
import type { ClusterOptions } from "../platform/cluster/installation.ts";
import type { ClusterReport } from "../platform/cluster/status.ts";
import type { CopiedImage, CopyImageOptions, RegistryAccess } from "../platform/images/copy.ts";
import type { DownOptions, Finding, StatusReport, TrustOptions, UpgradeOptions, UpOptions } from "../platform/types.ts";

export interface Platform {
  up(options: UpOptions): Promise<void>;
  down(options: DownOptions): Promise<void>;
  upgrade(options: UpgradeOptions): Promise<void>;
  status(options: { dataDir: string }): Promise<StatusReport>;
  trust(options: TrustOptions): Promise<void>;
  doctor(options: { dataDir: string }): Promise<Finding[]>;
  /** Makes stand-ins of the base images; gives their names by what they stand in for. */
  makeStandIns(options: {
    dataDir: string;
    only?: string[];
    print: (line: string) => void;
  }): Promise<Record<string, string>>;
  /** The text of a kubeconfig for another person. */
  userKubeconfig(options: { dataDir: string; server: string; user: string; groups: string[] }): Promise<string>;
  installOnCluster(work: ClusterWork & { wait: boolean }): Promise<void>;
  uninstallFromCluster(work: ClusterWork & { deleteServices: boolean }): Promise<void>;
  clusterStatus(client: HttpClient, now: number): Promise<ClusterReport>;
  clusterDoctor(client: HttpClient): Promise<Finding[]>;
  clusterManifests(options: ClusterOptions): Promise<{ objects: unknown[]; yaml: string }>;
  /** Copies an image to a registry. */
  copyImage(options: CopyImageOptions): Promise<CopiedImage>;
  /** What a tag is in its registry: `name@sha256:…`. */
  exactImage(image: string, access: RegistryAccess): Promise<string>;
}

interface ClusterWork {
  client: HttpClient;
  options: ClusterOptions;
  steps: { start(label: string): void; done(label: string): void };
}

export const thisMachine: Platform = {
  up: async (options) => (await import("../platform/up.ts")).up(options),
  down: async (options) => (await import("../platform/down.ts")).down(options),
  upgrade: async (options) => (await import("../platform/upgrade.ts")).upgrade(options),
  status: async (options) => (await import("../platform/status.ts")).status(options),
  trust: async (options) => (await import("../platform/trust/trust.ts")).trust(options),
  doctor: async (options) => (await import("../platform/doctor.ts")).doctor(options),
  makeStandIns: async ({ dataDir, only, print }) => {
    const { makeStandIns } = await import("../platform/stand-ins/stand-ins.ts");
    return makeStandIns(dataDir, { say: print, ...(only === undefined ? {} : { only }) });
  },
  userKubeconfig: async (options) => (await import("../platform/user-kubeconfig.ts")).userKubeconfig(options),
  installOnCluster: async (work) => (await import("../platform/cluster/installation.ts")).installOnCluster(work),
  uninstallFromCluster: async (work) =>
    (await import("../platform/cluster/installation.ts")).uninstallFromCluster(work),
  clusterStatus: async (client, now) => (await import("../platform/cluster/status.ts")).clusterStatus(client, now),
  clusterDoctor: async (client) => (await import("../platform/cluster/doctor.ts")).clusterDoctor(client),
  clusterManifests: async (options) => (await import("../platform/cluster/installation.ts")).clusterManifests(options),
  copyImage: async (options) => (await import("../platform/images/copy.ts")).copyOne(options),
  exactImage: async (image, access) => (await import("../platform/images/copy.ts")).exactImage(image, access),
};
