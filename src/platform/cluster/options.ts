/** What the controllers of a cluster are told. */
import type { AcmeConfig } from "../acme/settings.ts";

export interface ClusterControlOptions {
  /** A kubeconfig; absent: this process runs in a Pod. */
  kubeconfig?: string;
  /** A context of it. */
  context?: string;
  /** Where the controllers run. Default: the Pod's, or the context's. */
  namespace?: string;
  /** Hosts are `{route}.{namespace}.{domain}`. */
  domain: string;
  /** Gateways serve HTTPS; from where their certificates come. Absent: they serve HTTP only. */
  https?: AcmeConfig;
  /** What builds run: the image of Elafros itself, and that with git and buildah. */
  images: { image: string; tools: string };
  /** The ConfigMap with authorities to trust besides the public ones, where the controllers run. */
  authorities?: string;
  /** The most memory of builds' steps that say nothing of it, and what is set aside for them: quantities, or `none`. */
  stepMemory?: string;
  stepMemoryRequest?: string;
  /** The registry of builds, `HOST/PREFIX`, and the Secret with its credentials; absent: images need names with a registry, and there are no uploads. */
  registry?: { place: string; secret?: string };
  /** The Lease of the one that leads. */
  lease: string;
  /** Names this process among the controllers; the others reach it at `address`. */
  pod: { name: string; address: string };
}
