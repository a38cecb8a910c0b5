/** What buildah and the tools that it runs say when they fail, as a sentence. */

/** Lines that stand after the one that says why. */
const noise =
  /^(?:subprocess exited with status|exit status|npm (?:error|ERR!)\s*(?:$|A complete log|command failed|code |errno |path |command |workspace |location )|.*\.log$|note: |\[notice\]|hint: |time="|\s+at |Node\.js v|\s*$|\}|\]|\s*\^+)/iu;

/**
 * The sentence for a failed `buildah bud`.
 * @param lines the last lines of its output, in order
 */
export function buildFailure(lines: readonly string[]): string {
  const all = lines.map((line) => plain(line)).filter((line) => line.trim() !== "");
  const error = all.findLast((line) => line.startsWith("Error: ")) ?? "";
  const step = /building at STEP "((?:[^"\\]|\\.)*)": (.*)$/u.exec(error);
  if (step !== null) {
    const [, instruction = "", detail = ""] = step;
    const status = /exit status (\d+)/u.exec(detail)?.[1];
    const before = all.slice(0, all.lastIndexOf(error));
    const start = before.findLastIndex((line) => /^(?:\[\d+\/\d+\] )?STEP \d+\/\d+: /u.test(line));
    const said = lastWords(before.slice(start + 1));
    if (instruction.startsWith("FROM ")) return baseFailure(instruction.slice(5).split(" ")[0] ?? "", detail);
    const end =
      status === undefined ? `: ${detail}` : ` with exit code ${status}${said === undefined ? "" : `: ${said}`}`;
    return `Step "${shorten(readable(instruction), 120)}" failed${end}`;
  }
  const base =
    /(?:creating build container|initializing source|reading manifest|trying to reuse|writing blob).*?(?:docker:\/\/|container )([^\s:]+(?::\d+)?[^\s:]*(?::[\w.-]+)?)/u.exec(
      error,
    );
  if (/creating build container|initializing source|pinging container registry|reading manifest/u.test(error)) {
    return baseFailure(base?.[1] ?? "", error);
  }
  const words = error === "" ? lastWords(all) : error.slice("Error: ".length);
  return `Cannot build the image: ${shorten(words ?? "buildah said nothing", 300)}`;
}

function baseFailure(image: string, detail: string): string {
  const why = shorten(
    detail
      .replace(/^(?:Error: )?(?:creating build container: )?/u, "")
      .split(": ")
      .slice(-2)
      .join(": "),
    200,
  );
  const name = image === "" ? "the base image" : `base image "${image.replace(/^\/\//u, "")}"`;
  return `Cannot get ${name}: ${why}. Make it available, or name another in ConfigMap build-templates/base-images ("elafros templates stand-ins" makes images from this machine's packages)`;
}

/** The line that says most, out of a command's output: the last one that isn't about where a log is. */
function lastWords(lines: readonly string[]): string | undefined {
  const useful = lines.filter((line) => !noise.test(line));
  // npm says first why, then how it is used.
  const line =
    useful.find((each) => /^npm (?:error|ERR!) /u.test(each)) ??
    useful.findLast((each) => /error|cannot|can't|not found|fail|denied|missing|invalid/iu.test(each)) ??
    useful.at(-1);
  return line === undefined ? undefined : shorten(line.replace(/^npm (?:error|ERR!) /u, "").trim(), 300);
}

/** A RUN as it was meant: without the mounts that we added. */
function readable(instruction: string): string {
  return instruction.replace(/\\"/gu, '"').replace(/ --mount=\S+/gu, "");
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** Without what colours terminals. */
function plain(line: string): string {
  // oxlint-disable-next-line no-control-regex -- escape sequences are control characters
  return line.replace(/\u001B\[[0-9;?]*[A-Za-z]/gu, "");
}
