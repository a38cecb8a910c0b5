/** Names that the parts of an installation share, the shape of what is applied, and what an installation can be told. */
import { version } from "../../lib/version.ts";

/** Any object of Kubernetes as plain JSON: what is applied. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
  };
  [field: string]: unknown;
}

export interface InstallOptions {
  /** Where the controllers and the gateways run. */
  namespace: string;
  /** Services are served below it: `{route}.{namespace}.{domain}`. */
  domain: string;
  /** The image of Elafros, which controllers and gateways run. */
  image: string;
  /** The image with git and buildah, which steps of builds run. */
  toolsImage: string;
  /** The registry for what builds make and users upload, `HOST/PREFIX`. */
  buildRegistry?: string;
  /** The Secret with its credentials, in the namespace of the controllers. */
  buildRegistrySecret?: string;
  /** The most memory of builds' steps that say nothing of it, and what is set aside for them: quantities, or `none`. Absent: the controllers' own defaults. */
  stepMemory?: string;
  stepMemoryRequest?: string;
  /** The ConfigMap, in the namespace of the controllers, with authorities that builds and the controllers trust besides the public ones. */
  authorities?: string;
  /** Whether gateways serve HTTPS. */
  https?: boolean;
  /** Whether plain requests for hosts with a certificate are sent to HTTPS. */
  httpsRedirect?: boolean;
  /** The ACME server that certificates come from; absent: they come from the installation's own authority. */
  acme?: AcmeInstall;
}

/** What an installation is told of its ACME server. */
export interface AcmeInstall {
  /** Its directory, a URL. */
  server: string;
  /** Whom it may write to. */
  email?: string;
  /** Authorities to trust for it besides the image's, PEM. */
  ca?: string;
  /** The key id that its owner gave, and the key to it in base64url. */
  eabKid?: string;
  eabKey?: string;
}

/** What an installation is told where nobody says. No image is published: these are the names that `scripts/image.sh` gives those that it makes. */
export const defaultInstall: InstallOptions = {
  namespace: "elafros-system",
  domain: "example.com",
  image: `localhost/elafros:${version}`,
  toolsImage: `localhost/elafros-tools:${version}`,
};

/** Label of everything that belongs to the installation. */
export const partOf = { "app.kubernetes.io/part-of": "elafros" };

/** The parts that run in Pods. */
export type Part = "controller" | "gateway";

/** The name of a part's Deployment, ServiceAccount and Service. */
export const nameOf = (part: Part) => `elafros-${part}`;

/** The labels that select the Pods of a part. They never change: a Deployment's selector can't. */
export function selectorOf(part: Part): Record<string, string> {
  return { "app.kubernetes.io/name": nameOf(part) };
}

/** The labels of what belongs to a part. */
export function labelsOf(part: Part): Record<string, string> {
  return { ...selectorOf(part), ...partOf };
}

/** Ports of the Pods. None needs a privilege. */
export const ports = {
  /** Requests of users, and the port at which the Service takes them. */
  http: 8080,
  https: 8443,
  /** Gateways fetch the route table here, from the controllers. */
  link: 7443,
  /** Archives that are uploaded to be built, through the API server's proxy. */
  sources: 7444,
  /** Kubelets ask here whether an instance that is to end is drained. */
  drains: 7445,
  health: 8081,
  metrics: 9090,
} as const;

/** The Service whose address kubelets ask: one that stays, whoever leads. */
export const drainsService = "elafros-drains";
/** The Lease of the controller that leads. */
export const leaderLease = "elafros-controller";
/** The ConfigMap with the certificate that controllers show to gateways, and the Secret with its key. */
export const linkCertificate = "elafros-link";
/** The ConfigMap that says which namespaces have uploads; whichever controller takes the first makes it. */
export const uploadNamespaces = "elafros-upload-namespaces";
/** The installation's own authority for HTTPS: a Secret with its key, and a ConfigMap with its certificate alone. */
export const authorityName = "elafros-ca";
/** The Secret with what an ACME server's owner gave, and authorities to trust for it. Its keys are the names of files. */
export const acmeSecret = { name: "elafros-acme", ca: "ca.crt", eabKey: "eab-key" } as const;
/** Where controllers find those files. */
export const acmeDirectory = "/var/run/elafros/acme";
/** Whom a gateway's token is for: it opens the controllers' link and nothing of the API. */
export const linkAudience = "controller.elafros.dev";

/** The controllers' door to the registry, as the API server's proxy of Services names it. */
export const doorService = `https:${nameOf("controller")}:sources`;
