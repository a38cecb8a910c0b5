/**
 * Impersonation (`kubectl --as`): whoever RBAC lets `impersonate` a user, its groups, uid and extra fields acts as that user. A
 * header that would be ignored would leave the request with the rights of the one who sent it, so unknown ones are refused.
 */
import type { IncomingMessage } from "node:http";

import { ApiError } from "../api/meta/errors.ts";
import type { UserInfo } from "../api/meta/types.ts";
import { authenticatedGroup } from "./authn.ts";
import type { Authorizer } from "./authorizer.ts";
import { type Attributes, forbidden } from "./rbac.ts";

const prefix = "impersonate-";
const extraPrefix = "impersonate-extra-";

/** The user that a request is made as. Rejects with Forbidden or BadRequest. */
export function impersonate(
  request: IncomingMessage,
  user: UserInfo,
  authorizer: Pick<Authorizer, "decide">,
): UserInfo {
  const headers = Object.entries(request.headersDistinct).filter(([name]) => name.startsWith(prefix));
  if (headers.length === 0) return user;
  const values = (name: string): string[] => request.headersDistinct[name] ?? [];
  const names = values("impersonate-user");
  const groups = values("impersonate-group");
  const uids = values("impersonate-uid");
  const extra: Record<string, string[]> = {};
  for (const [name, list = []] of headers) {
    if (name.startsWith(extraPrefix) && name.length > extraPrefix.length) extra[extraKey(name)] = list;
    else if (!["impersonate-user", "impersonate-group", "impersonate-uid"].includes(name)) {
      throw new ApiError("BadRequest", `unknown impersonation header ${JSON.stringify(name)}`);
    }
  }
  const [name = ""] = names;
  if (names.length > 1 || uids.length > 1)
    throw new ApiError("BadRequest", "Impersonate-User and Impersonate-Uid may be given once only");
  if (name === "")
    throw new ApiError("BadRequest", "impersonation of groups, uid or extra fields needs Impersonate-User");

  const account = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(name);
  const [, namespace = "", accountName = ""] = account ?? [];
  const ask = (attributes: Partial<Attributes>): void => {
    const question = {
      user,
      verb: "impersonate",
      group: "",
      subresource: "",
      namespace: "",
      name: "",
      resource: "",
      ...attributes,
    };
    if (!authorizer.decide(question).allowed) throw forbidden(question);
  };
  if (account === null) ask({ resource: "users", name });
  else ask({ resource: "serviceaccounts", namespace, name: accountName });
  for (const group of groups) ask({ resource: "groups", name: group });
  for (const uid of uids) ask({ resource: "uids", group: "authentication.k8s.io", name: uid });
  for (const [key, list] of Object.entries(extra)) {
    for (const value of list) {
      ask({ resource: "userextras", subresource: key, group: "authentication.k8s.io", name: value });
    }
  }

  const own =
    account !== null && groups.length === 0
      ? ["system:serviceaccounts", `system:serviceaccounts:${namespace}`]
      : groups;
  const result: UserInfo = { username: name, groups: [...new Set([...own, authenticatedGroup])] };
  if (uids[0] !== undefined) result.uid = uids[0];
  if (Object.keys(extra).length > 0) result.extra = extra;
  return result;
}

/** Header names can't hold every character, so clients percent-encode the key. */
function extraKey(header: string): string {
  const key = header.slice(extraPrefix.length);
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}
