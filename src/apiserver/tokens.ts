/**
 * ServiceAccount tokens: JSON Web Tokens signed with the installation's key (ES256), bound to the account's uid, so that a
 * token ends with its account. Claims as in Kubernetes.
 */
import { createHash, createPrivateKey, createPublicKey } from "node:crypto";

import type { JWTPayload } from "jose";

import type { KubeObject, UserInfo } from "../api/meta/types.ts";
import type { Clock } from "../lib/clock.ts";

/** Who issues tokens, and the audience of those for the API server itself. */
export const issuer = "https://kubernetes.default.svc.cluster.local";

/** A ServiceAccount, as far as tokens go. */
interface AccountRef {
  namespace: string;
  name: string;
  uid: string;
}

/** Something that a token is bound to besides its account; the token ends with it. */
export interface BoundRef {
  kind: "Pod" | "Secret";
  name: string;
  uid: string;
}

interface TokenClaims {
  account: AccountRef;
  audiences: readonly string[];
  expirationSeconds: number;
  bound?: BoundRef;
}

/** What a good token says. */
interface ReviewedToken {
  user: UserInfo;
  /** Those of the asked audiences that the token is for. */
  audiences: string[];
}

/** A token that isn't good; the message says why, without the token. */
export class TokenError extends Error {
  override readonly name = "TokenError";
}

export interface Tokens {
  issue(claims: TokenClaims): Promise<{ token: string; expires: number }>;
  /** Rejects with TokenError. */
  review(token: string, audiences: readonly string[]): Promise<ReviewedToken>;
}

export interface TokensOptions {
  /** PKCS #8 PEM of an ECDSA P-256 key. */
  key: string;
  clock: Clock;
  /** Reads the object that a token is bound to; rejects with NotFound's message or gives undefined where it is gone. */
  find: (kind: "ServiceAccount" | "Pod" | "Secret", namespace: string, name: string) => Promise<KubeObject | undefined>;
}

interface KubernetesClaim {
  namespace: string;
  serviceaccount: { name: string; uid: string };
  pod?: { name: string; uid: string };
  secret?: { name: string; uid: string };
}

/** The user that a ServiceAccount is. */
function accountUser({ namespace, name, uid }: AccountRef): UserInfo {
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ["system:serviceaccounts", `system:serviceaccounts:${namespace}`, "system:authenticated"],
  };
}

/** Loaded with the first token: on most machines people and controllers have certificates. */
const jose = () => import("jose");

/** Signs and reviews tokens. */
export function createTokens({ key, clock, find }: TokensOptions): Tokens {
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey);
  const kid = createHash("sha256")
    .update(publicKey.export({ type: "spki", format: "der" }))
    .digest("base64url");

  return {
    issue: async ({ account, audiences, expirationSeconds, bound }) => {
      const { SignJWT } = await jose();
      const now = Math.floor(clock.now() / 1000);
      const claim: KubernetesClaim = {
        namespace: account.namespace,
        serviceaccount: { name: account.name, uid: account.uid },
      };
      if (bound !== undefined) claim[bound.kind === "Pod" ? "pod" : "secret"] = { name: bound.name, uid: bound.uid };
      const expires = now + expirationSeconds;
      const token = await new SignJWT({ "kubernetes.io": claim })
        .setProtectedHeader({ alg: "ES256", kid, typ: "JWT" })
        .setIssuer(issuer)
        .setSubject(`system:serviceaccount:${account.namespace}:${account.name}`)
        .setAudience([...audiences])
        .setIssuedAt(now)
        .setNotBefore(now)
        .setExpirationTime(expires)
        .sign(privateKey);
      return { token, expires: expires * 1000 };
    },

    review: async (token, wanted) => {
      const payload = await verify(token);
      const claim = readClaim(payload["kubernetes.io"]);
      const own = [payload.aud ?? []].flat();
      const audiences = wanted.filter((audience) => own.includes(audience));
      if (audiences.length === 0) {
        throw new TokenError(
          `token audiences ${JSON.stringify(own)} is invalid for the target audiences ${JSON.stringify(wanted)}`,
        );
      }
      const { namespace } = claim;
      await mustBe("ServiceAccount", namespace, claim.serviceaccount);
      if (claim.pod !== undefined) await mustBe("Pod", namespace, claim.pod);
      if (claim.secret !== undefined) await mustBe("Secret", namespace, claim.secret);
      const user = accountUser({ namespace, ...claim.serviceaccount });
      if (claim.pod !== undefined) {
        user.extra = {
          "authentication.kubernetes.io/pod-name": [claim.pod.name],
          "authentication.kubernetes.io/pod-uid": [claim.pod.uid],
        };
      }
      return { user, audiences };
    },
  };

  async function verify(token: string): Promise<JWTPayload> {
    const { errors, jwtVerify } = await jose();
    try {
      const { payload } = await jwtVerify(token, publicKey, {
        algorithms: ["ES256"],
        issuer,
        currentDate: new Date(clock.now()),
        requiredClaims: ["exp", "iat", "sub", "aud"],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired)
        throw new TokenError("service account token has expired", { cause: error });
      throw new TokenError("invalid bearer token", { cause: error });
    }
  }

  async function mustBe(
    kind: "ServiceAccount" | "Pod" | "Secret",
    namespace: string,
    ref: { name: string; uid: string },
  ): Promise<void> {
    const object = await find(kind, namespace, ref.name);
    const plural = `${kind.toLowerCase()}s`;
    if (object === undefined) throw new TokenError(`${plural} ${JSON.stringify(ref.name)} not found`);
    if (object.metadata.uid !== ref.uid) {
      throw new TokenError(`${plural} ${JSON.stringify(ref.name)} is not the one that the token was issued for`);
    }
    if (object.metadata.deletionTimestamp !== undefined)
      throw new TokenError(`${plural} ${JSON.stringify(ref.name)} is being deleted`);
  }
}

function readClaim(value: unknown): KubernetesClaim {
  const claim = value as Partial<KubernetesClaim> | undefined;
  if (
    typeof claim?.namespace !== "string" ||
    typeof claim.serviceaccount?.name !== "string" ||
    typeof claim.serviceaccount.uid !== "string"
  ) {
    throw new TokenError("invalid bearer token");
  }
  return claim as KubernetesClaim;
}
