/**
 * Who an instance's process is: the image's `USER` or the spec's ids, looked up in the image's own /etc/passwd and /etc/group. Those files
 * are the image author's: symbolic links in them are followed only inside the root.
 */
import { constants } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { join } from "node:path";
import type { SecuritySpec } from "../workloads.ts";
import { isMissing } from "./files.ts";

/** Numeric identity of a process. `home` is for `HOME`. */
export interface ResolvedUser {
  uid: number;
  gid: number;
  additionalGids: number[];
  home: string;
}

const maxFile = 1 << 20;
const maxLinks = 40;

/**
 * Reads a file of a root as a process inside it would see it: symbolic links are resolved against the root, `..` stops there. Nothing
 * may run in the root meanwhile. Empty where there is no such regular file; longer files are cut.
 * @param most bytes that are read, 1 MiB unless given
 */
export async function readInside(root: string, path: string, most = maxFile): Promise<string> {
  const pending = path.split("/");
  const done: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.shift();
    if (part === undefined || part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const at = join(root, ...done, part);
    try {
      if ((await lstat(at)).isSymbolicLink()) {
        if (++links > maxLinks) return "";
        const target = await readlink(at);
        if (target.startsWith("/")) done.length = 0;
        pending.unshift(...target.split("/"));
        continue;
      }
    } catch (error) {
      if (isMissing(error)) return "";
      throw error;
    }
    done.push(part);
  }
  // A device or FIFO would block or be worse: only regular files are read.
  const file = await open(join(root, ...done), constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    () => undefined,
  );
  if (file === undefined) return "";
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return "";
    const length = Math.min(stat.size, most);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
    return buffer.toString("utf8", 0, bytesRead);
  } finally {
    await file.close();
  }
}

interface UserSources {
  /** The image's `USER`: `name|uid[:group|gid]`, may be empty. */
  user: string;
  /** Contents of the image's /etc/passwd and /etc/group. */
  passwd: string;
  group: string;
}

/**
 * The process's identity. `runAsUser` and `runAsGroup` win over the image's.
 * @throws Error where a name isn't in the image, or root would run though `runAsNonRoot` is set
 */
export function resolveUser(
  sources: UserSources,
  security: Pick<SecuritySpec, "runAsUser" | "runAsGroup" | "runAsNonRoot">,
): ResolvedUser {
  const [userPart = "", groupPart = ""] = security.runAsUser === undefined ? sources.user.split(":", 2) : [];
  const wanted = security.runAsUser === undefined ? userPart || "0" : String(security.runAsUser);
  const users = lines(sources.passwd);
  const groups = lines(sources.group);
  const entry =
    users.find((fields) => fields[0] === wanted) ?? users.find((fields) => isId(wanted) && fields[2] === wanted);
  const uid = id(entry?.[2] ?? wanted, `user "${wanted}"`, "/etc/passwd");
  let gid = entry === undefined ? 0 : id(entry[3] ?? "0", `group of user "${wanted}"`, "/etc/passwd");
  if (groupPart !== "") {
    const named = groups.find((fields) => fields[0] === groupPart);
    gid = id(named?.[2] ?? groupPart, `group "${groupPart}"`, "/etc/group");
  }
  if (security.runAsGroup !== undefined) gid = security.runAsGroup;
  if (security.runAsNonRoot && uid === 0) {
    throw new Error(
      `Cannot run as root: runAsNonRoot is set; set runAsUser to another user than 0, or USER in the image (it is "${sources.user}")`,
    );
  }
  const name = entry?.[0];
  // As with other runtimes, an explicit group of the image replaces the supplementary ones.
  const additional =
    name === undefined || groupPart !== ""
      ? []
      : groups.filter((fields) => fields[3]?.split(",").includes(name)).map((fields) => Number(fields[2]));
  return {
    uid,
    gid,
    additionalGids: [...new Set(additional)].filter((other) => other !== gid && isId(String(other))),
    home: entry?.[5] || "/",
  };
}

function lines(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.trim().split(":"));
}

function isId(text: string): boolean {
  return /^\d{1,10}$/.test(text) && Number(text) < 2 ** 32 - 1;
}

function id(text: string, what: string, file: string): number {
  if (!isId(text)) throw new Error(`Cannot find ${what}: it is not in the image's ${file}; use a numeric id`);
  return Number(text);
}
