import type { HttpClient } from "../client/http.ts";

/** The calls of a Kubernetes by which workloads and builds come about there. */
export type ClusterClient = Pick<
  HttpClient,
  "get" | "list" | "watch" | "patch" | "delete" | "apply" | "podLog" | "create" | "update" | "updateStatus"
>;
