import { sharedTemplates, uploadsConfig } from "../api/build-names.ts";
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

/**
 * Whoever builds an image of a `localhost/…` name needs a place that keeps it: the machine, or on a Kubernetes the installation's registry.
 * @throws UsageError where neither is there
 */
export async function requireImagePlace(
  client: Pick<HttpClient, "request">,
  image: string,
  how: string,
): Promise<void> {
  if (!image.startsWith("localhost/") || !(await isKubernetes(client))) return;
  const config = `/api/v1/namespaces/${sharedTemplates}/configmaps/${uploadsConfig}`;
  // Whoever may not see whether there is one is told by the build.
  if ((await client.request({ method: "GET", path: config })).status !== 404) return;
  throw new UsageError(
    `Image "${image}" can't be built on that cluster, which has no registry for it: ${how}, or have an administrator run 'elafros install --build-registry'`,
  );
}
