/**
 * What the supervisor has done by short-lived programs of its own, so that it stays small: `prepare` makes this machine ready (network),
 * `teardown` stops every instance and takes the machine's changes back.
 */
import { spawn } from "node:child_process";
import type { PlatformConfig } from "../config.ts";

/** What `prepare` gives. */
export interface Prepared {
  /** The bridge's address. */
  bridgeAddress: string;
  /** How to run the instances' DNS server. */
  dns?: { command: string; args: string[] };
}

/** Path of one of the platform's programs, as it runs: source or compiled. */
export function programPath(relative: string): string {
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  return new URL(`${relative}.${extension}`, import.meta.url).pathname;
}

/** Node's own flags for each process of the platform. */
export const nodeFlags = ["--disable-warning=ExperimentalWarning"];

/**
 * Control's, whose loop nothing may hold up: collecting what is young stops it for as long as copying takes what is still in use, which with
 * Node's own 16 MiB and a store that is being read is all of it. So more of what is short-lived is taken for old, and V8 by itself lets that grow to
 * several times what is in use before it looks: here, by a third (docs/decisions/0018-control-holds-nothing-up.md).
 */
export const controlFlags = [...nodeFlags, "--max-semi-space-size=1", "--heap-growing-percent=30"];

/**
 * Runs a program with the settings on its standard input and returns the JSON that it prints.
 * @throws Error with what it printed on standard error
 */
export async function runProgram<Result>(name: "prepare" | "teardown", config: PlatformConfig): Promise<Result> {
  const child = spawn(process.execPath, [...nodeFlags, programPath(`../programs/${name}`)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let errors = "";
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (errors += part));
  child.stdin.on("error", () => {});
  child.stdin.end(JSON.stringify(config));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(errors.trim() === "" ? `Program "${name}" ended with code ${code}` : errors.trim());
  return JSON.parse(output === "" ? "{}" : output) as Result;
}
