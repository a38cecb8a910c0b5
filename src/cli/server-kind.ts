import type { HttpClient } from "../client/http.ts";
import { UsageError } from "./errors.ts";

/** What the embedded server's version has behind the Kubernetes version that it is like. */
const ownVersion = "+elafros.";

/** Whether the server is a Kubernetes, and not the one that Elafros itself has on one machine. False too where it doesn't say. */
export async function isKubernetes(client: Pick<HttpClient, "request">): Promise<boolean> {
  const answer = await client.request({ method: "GET", path: "/version" });
  if (answer.status !== 200) return false;
  try {
    const { gitVersion } = JSON.parse(answer.text) as { gitVersion?: unknown };
    return typeof gitVersion === "string" && !gitVersion.includes(ownVersion);
  } catch {
    return false;
  }
}

/** @throws UsageError where an image of this name would be built on a Kubernetes, where there is no machine to keep it on */
export async function requireRegistry(client: Pick<HttpClient, "request">, image: string, how: string): Promise<void> {
  if (!image.startsWith("localhost/") || !(await isKubernetes(client))) return;
  throw new UsageError(
    `Image "${image}" can't be built on a cluster: it has no machine that would keep it, and its nodes pull from registries; ${how}`,
  );
}
