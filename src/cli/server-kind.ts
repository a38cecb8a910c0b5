import type { HttpClient } from "../client/http.ts";

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
