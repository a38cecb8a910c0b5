/** Names that the parts of an installation share, and the shape of what is applied. */

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

/** Label of everything that belongs to the installation. */
export const partOf = { "app.kubernetes.io/part-of": "elafros" };
