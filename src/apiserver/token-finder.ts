import { isReason } from "../api/meta/errors.ts";
import type { Kind } from "../api/meta/kind.ts";
import type { ApiService } from "../api/meta/service.ts";
import { systemUser } from "./rbac-cache.ts";
import type { TokensOptions } from "./tokens.ts";

/** Reads what tokens are bound to through the service, for `createTokens`. */
export function tokenFinder(service: Pick<ApiService, "get">, kinds: readonly Kind[]): TokensOptions["find"] {
  return async (kindName, namespace, name) => {
    const kind = kinds.find((candidate) => candidate.group === "" && candidate.kind === kindName);
    if (kind === undefined) return undefined;
    try {
      return await service.get({ user: systemUser, warnings: [] }, { kind, namespace, name });
    } catch (error) {
      if (isReason(error, "NotFound")) return undefined;
      throw error;
    }
  };
}
