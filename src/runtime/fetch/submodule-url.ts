/** Where a submodule's repository is: a URL, or a path relative to its parent's (gitmodules(5)). */
import { SourceFault } from "../../lib/source/errors.ts";

/** The URL of a submodule. @throws SourceFault where a relative one leads above the host */
export function submoduleUrl(parent: string, url: string): string {
  if (!/^\.\.?(?:\/|$)/.test(url)) return url;
  // The part that no ".." may take away: scheme and host, or the host of scp's form.
  const root = /^[a-z+]+:\/\/[^/]*\/?/i.exec(parent)?.[0] ?? /^[^/:]+:/.exec(parent)?.[0] ?? "";
  const parts = parent
    .slice(root.length)
    .split("/")
    .filter((part) => part !== "");
  for (const step of url.split("/")) {
    if (step === "" || step === ".") continue;
    if (step !== "..") {
      parts.push(step);
      continue;
    }
    if (parts.pop() === undefined) {
      throw new SourceFault(
        `The URL ${JSON.stringify(url)} of a submodule leads above its host: correct it in .gitmodules`,
      );
    }
  }
  const slash = root.startsWith("file:///") || root.endsWith(":") || root.endsWith("/") ? "" : "/";
  return `${root}${slash}${parts.join("/")}`;
}
