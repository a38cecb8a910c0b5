/** Resources that are not stored: questions that the server answers, and subresources of Pods and ServiceAccounts. */

export interface VirtualResource {
  group: string;
  version: string;
  /** The resource, with its subresource where it is one: `pods/log`. */
  name: string;
  kind: string;
  /** The group and version of the kind, where they aren't the resource's own. */
  kindVersion?: { group: string; version: string };
  namespaced: boolean;
  verbs: readonly string[];
}

const authentication = { group: "authentication.k8s.io", version: "v1" } as const;
const authorization = { group: "authorization.k8s.io", version: "v1" } as const;

/** Every virtual resource, for discovery. */
export const virtualResources: readonly VirtualResource[] = [
  { group: "", version: "v1", name: "pods/log", kind: "Pod", namespaced: true, verbs: ["get"] },
  {
    group: "",
    version: "v1",
    name: "serviceaccounts/token",
    kind: "TokenRequest",
    kindVersion: authentication,
    namespaced: true,
    verbs: ["create"],
  },
  // Archives that are uploaded to be built, by digest: src/apiserver/sources.ts.
  {
    group: "build.dev",
    version: "v1alpha1",
    name: "sources",
    kind: "Source",
    namespaced: true,
    verbs: ["create", "get"],
  },
  { ...authentication, name: "tokenreviews", kind: "TokenReview", namespaced: false, verbs: ["create"] },
  { ...authentication, name: "selfsubjectreviews", kind: "SelfSubjectReview", namespaced: false, verbs: ["create"] },
  {
    ...authorization,
    name: "localsubjectaccessreviews",
    kind: "LocalSubjectAccessReview",
    namespaced: true,
    verbs: ["create"],
  },
  {
    ...authorization,
    name: "selfsubjectaccessreviews",
    kind: "SelfSubjectAccessReview",
    namespaced: false,
    verbs: ["create"],
  },
  {
    ...authorization,
    name: "selfsubjectrulesreviews",
    kind: "SelfSubjectRulesReview",
    namespaced: false,
    verbs: ["create"],
  },
  { ...authorization, name: "subjectaccessreviews", kind: "SubjectAccessReview", namespaced: false, verbs: ["create"] },
];
