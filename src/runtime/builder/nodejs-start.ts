/**
 * The command that starts a Node.js app. npm itself is no part of it: as the container's first process it would stand between the app and the signals that end
 * it, and an image needn't hold it.
 */
import type { NodeApp } from "../../lib/source/node-app.ts";

export interface Start {
  command: string[];
  /** Whether programs of the dependencies (`next start`) are looked for. */
  binaries: boolean;
  notes: string[];
}

/** The command for an app: its file, or what its `start` script says. */
export function startOf(app: NodeApp): Start {
  if ("file" in app.start) return { command: ["node", app.start.file], binaries: false, notes: [] };
  const scripts = app.packageJson?.scripts ?? {};
  const lines = [scripts["prestart"], app.start.script].filter((line) => line !== undefined && line.trim() !== "");
  const line = lines.map((each) => withoutNpm(each ?? "", scripts)).join(" && ");
  const words = line.trim().split(/\s+/u);
  // A script is a shell's text; what has nothing that a shell would read otherwise is started without one.
  if (words[0] === "node" && words.every((word) => /^[\w@%+:,./=-]+$/u.test(word))) {
    return { command: words, binaries: false, notes: [] };
  }
  const notes = /(?:^|[\s;&|(])(?:npm|npx|yarn|pnpm)\s/u.test(` ${line}`)
    ? [`The start script runs a package manager (${line}), which has to be in the run base image`]
    : [];
  return { command: ["sh", "-c", withExec(line)], binaries: true, notes };
}

/** Puts scripts in the place of `npm run NAME`. */
function withoutNpm(line: string, scripts: Record<string, string>, depth = 0): string {
  if (depth > 5) return line;
  const name = /^\s*npm\s+(?:run(?:-script)?\s+)?(?:--silent\s+|-s\s+)?([\w:.-]+)\s*$/u.exec(line)?.[1];
  const script = name === undefined || /^(?:install|ci|i|exec|init)$/u.test(name) ? undefined : scripts[name];
  return script === undefined ? line : withoutNpm(script, scripts, depth + 1);
}

/** The line with its last command in the shell's own place, so that signals reach it: a shell that is a container's first process passes none on. */
function withExec(line: string): string {
  if (/["'`\\|()\n#]|\$\(|(?:^|[^&])&(?!&)/u.test(line)) {
    // Quotes and the like are left alone where there is but one command.
    return /[;|&\n]|\$\(|`/u.test(line) || /^\s*\w+=/u.test(line) ? line : `exec ${line.trim()}`;
  }
  const at = Math.max(line.lastIndexOf("&&") + 1, line.lastIndexOf("||") + 1, line.lastIndexOf(";"));
  const head = at <= 0 ? "" : `${line.slice(0, at + 1).trim()} `;
  const last = (at <= 0 ? line : line.slice(at + 1)).trim();
  return `${head}exec ${/^\w+=/u.test(last) ? `env ${last}` : last}`;
}
