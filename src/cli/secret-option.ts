import { InvalidArgumentError } from "commander";
import { envName } from "./env-file.ts";

/** What one `--secret` asks for. */
export type SecretChange =
  | { type: "env"; name: string; secret: string; key: string }
  | { type: "mount"; path: string; secret: string; key?: string }
  | { type: "all"; secret: string }
  | { type: "remove"; target: string };

const secretName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const keyName = /^[-._A-Za-z0-9]{1,253}$/;

/** Reads `NAME=SECRET:KEY`, `/PATH=SECRET[:KEY]`, `SECRET`, `NAME-` and `/PATH-`. */
export function parseSecret(text: string, before: SecretChange[] = []): SecretChange[] {
  const change = parse(text);
  if (change === undefined) {
    throw new InvalidArgumentError("Give NAME=SECRET:KEY, /PATH=SECRET, /PATH=SECRET:KEY, SECRET, NAME- or /PATH-.");
  }
  return [...before, change];
}

function parse(text: string): SecretChange | undefined {
  const at = text.indexOf("=");
  if (at === -1) {
    if (text.endsWith("-") && isTarget(text.slice(0, -1))) return { type: "remove", target: text.slice(0, -1) };
    return secretName.test(text) ? { type: "all", secret: text } : undefined;
  }
  const target = text.slice(0, at);
  const [secret = "", key, ...rest] = text.slice(at + 1).split(":");
  if (!isTarget(target) || !secretName.test(secret) || rest.length > 0) return undefined;
  if (key !== undefined && !keyName.test(key)) return undefined;
  if (target.startsWith("/")) return { type: "mount", path: target, secret, ...(key === undefined ? {} : { key }) };
  return key === undefined ? undefined : { type: "env", name: target, secret, key };
}

function isTarget(text: string): boolean {
  return text.startsWith("/")
    ? text.length > 1 && !text.includes(":") && !text.split("/").includes("..")
    : envName.test(text);
}
