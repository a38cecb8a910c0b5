/**
 * Which host a request is for, as the route table writes hosts: lower case, no port, no trailing dot.
 */

const absolute = /^https?:\/\/([^/?#]*)([^#]*)/i;
const hostPattern = /^(?:\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)$/;
const portPattern = /^\d{0,5}$/;

export interface Target {
  /** As the table has it. */
  host: string;
  /** What the app is told in `Host` and the forwarding headers: host, and port where the client named one. */
  authority: string;
  /** The path and query to ask the app for. */
  path: string;
}

/**
 * Takes the request target and the `Host` field apart. The authority of an absolute target wins over the field (RFC 9112 §3.2.2).
 * Undefined when there is no usable host: such a request is answered 400. `names` remembers hosts from request to request.
 */
export function readTarget(url: string, host: string | undefined, names = new HostNames()): Target | undefined {
  if (url.startsWith("/") || url === "*") {
    const name = host === undefined ? undefined : names.of(host);
    return name === undefined || host === undefined ? undefined : { host: name, authority: host, path: url };
  }
  const parts = absolute.exec(url);
  if (parts === null) return undefined;
  const [, authority = "", rest = ""] = parts;
  const name = names.of(authority);
  if (name === undefined) return undefined;
  const path = rest.startsWith("/") ? rest : `/${rest}`;
  return { host: name, authority, path };
}

const mostKnown = 1_000;

/** Remembers hosts in the table's form: requests name few. */
export class HostNames {
  readonly #known = new Map<string, string>();

  /** As `normalizeHost`. */
  of(value: string): string | undefined {
    const known = this.#known.get(value);
    if (known !== undefined) return known;
    const host = normalizeHost(value);
    if (host === undefined) return undefined;
    // Clients could name ever new ones.
    if (this.#known.size >= mostKnown) this.#known.clear();
    this.#known.set(value, host);
    return host;
  }
}

/** A `Host` value in the table's form; undefined if it isn't one name or address with at most a port (so no user, no list, no space). */
export function normalizeHost(value: string): string | undefined {
  const end = value.startsWith("[") ? value.indexOf("]") + 1 : value.indexOf(":");
  const cut = end <= 0 ? value.length : end;
  const port = value.slice(cut);
  if (port !== "" && !(port.startsWith(":") && portPattern.test(port.slice(1)))) return undefined;
  let name = value.slice(0, cut).toLowerCase();
  if (name.endsWith(".")) name = name.slice(0, -1);
  return name.length <= 255 && hostPattern.test(name) ? name : undefined;
}
