/** Symbolic links of a source: where they lead, looked up in the source itself and not on this machine. */

/** As many links in a row as Linux follows. */
const maxHops = 40;

/**
 * Whether the link at `path` leads out of the source. `links` are all links of the source, targets by path: what a link's target passes through
 * decides where a `..` behind it leads. A link that leads in circles leads nowhere, so not out.
 */
export function leadsOutside(path: string, links: ReadonlyMap<string, string>): boolean {
  const at = path.split("/").slice(0, -1);
  const ahead = partsOf(links.get(path) ?? "");
  if (ahead === undefined) return true;
  for (let hops = 1; ;) {
    const part = ahead.shift();
    if (part === undefined) return false;
    if (part === "..") {
      if (at.pop() === undefined) return true;
      continue;
    }
    at.push(part);
    const target = links.get(at.join("/"));
    if (target === undefined) continue;
    hops += 1;
    if (hops > maxHops) return false;
    at.pop();
    const parts = partsOf(target);
    if (parts === undefined) return true;
    ahead.unshift(...parts);
  }
}

/** Undefined for an absolute one. */
function partsOf(target: string): string[] | undefined {
  return target.startsWith("/") ? undefined : target.split("/").filter((part) => part !== "" && part !== ".");
}
