/** Who has a token, as the API server says (TokenReview). */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import type { Client } from "../../client/client.ts";

interface TokenReview extends KubeObject {
  spec: { token: string; audiences: string[] };
  status?: { authenticated?: boolean; user?: { username?: string }; audiences?: string[]; error?: string };
}

const TokenReview = foreignKind<TokenReview>({
  group: "authentication.k8s.io",
  version: "v1",
  kind: "TokenReview",
  plural: "tokenreviews",
  namespaced: false,
});

/** A token is some hundred bytes more than a kilobyte. */
export const longestToken = 16_384;

/** The user's name, or why the token isn't one for `audience`. Rejects with ApiError. */
export async function reviewToken(
  client: Pick<Client, "create">,
  { token, audience }: { token: string; audience: string },
): Promise<{ user: string } | { why: string }> {
  const review = await client.create(TokenReview, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenReview",
    metadata: {} as KubeObject["metadata"],
    spec: { token, audiences: [audience] },
  });
  const { authenticated = false, audiences = [], error = "the token isn't valid" } = review.status ?? {};
  if (!authenticated) return { why: error };
  // A server that knows no audiences says none, and would take any token.
  if (!audiences.includes(audience)) return { why: `the token isn't for "${audience}"` };
  return { user: review.status?.user?.username ?? "" };
}
