/** What a registry asks for with status 401: the `WWW-Authenticate` header (RFC 9110, section 11). */

/** Where a token is to be had (distribution specification, token authentication). */
export interface BearerChallenge {
  realm: string;
  service: string | undefined;
}

export interface Challenges {
  /** User name and password, as they are. */
  basic: boolean;
  bearer: BearerChallenge | undefined;
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const parameter = new RegExp(`(${token})\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`, "uy");
const scheme = new RegExp(`(${token})(?:\\s+|$)`, "uy");
const separator = /[\s,]*/uy;

/** Reads the challenges; nothing of a header that isn't well-formed to its end. */
export function parseChallenges(header: string): Challenges {
  const none: Challenges = { basic: false, bearer: undefined };
  const found = { ...none };
  let current = "";
  let parameters = new Map<string, string>();
  const finish = () => {
    const realm = parameters.get("realm");
    if (current === "basic") found.basic = true;
    if (current === "bearer" && realm !== undefined) found.bearer ??= { realm, service: parameters.get("service") };
  };
  let at = 0;
  const next = (pattern: RegExp): RegExpExecArray | undefined => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match ?? undefined;
  };
  for (next(separator); at < header.length; next(separator)) {
    const pair = current === "" ? undefined : next(parameter);
    if (pair !== undefined) {
      const [, name = "", quoted, bare = ""] = pair;
      parameters.set(name.toLowerCase(), quoted === undefined ? bare : quoted.replace(/\\(.)/gu, "$1"));
      continue;
    }
    const begun = next(scheme);
    if (begun === undefined) return none;
    finish();
    current = (begun[1] ?? "").toLowerCase();
    parameters = new Map();
  }
  finish();
  return found;
}
