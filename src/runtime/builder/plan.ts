/** What a language makes of a source: the Dockerfile, and what it copies besides the source. */

export interface BuildPlan {
  dockerfile: string;
  /** Files of a build context of its own, named `elafros` in the Dockerfile: it never mixes with the source. */
  files: Record<string, string>;
  /** Paths of the source that aren't copied. */
  ignore: string[];
  /** Given to the Dockerfile's ARGs of these names. */
  buildArgs: Record<string, string>;
  /** Said in the build's log before it begins. */
  notes: string[];
  /** Other than the last stage. */
  target?: string;
}

/** What all languages are told. */
export interface LanguageOptions {
  buildBase: string;
  runBase: string;
  /** Absent: the language's conventions tell it. */
  entryPoint?: string;
}

/** The user that programs run as; numeric, so that it needs no account in the image and can be seen not to be root. */
export const runUser = "1000";

/** What no image needs of a source. */
export const alwaysIgnored = [
  ".git",
  ".gitignore",
  ".gitattributes",
  ".elafrosignore",
  ".dockerignore",
  ".elafros.json",
  ".DS_Store",
];

/** Joins a Dockerfile's instructions; absent ones are left out, an empty one is an empty line. */
export function instructions(...lines: (string | undefined)[]): string {
  return `${lines.filter((line) => line !== undefined).join("\n")}\n`;
}

/** An instruction's exec form: `CMD ["node","server.js"]`. */
export function execForm(instruction: "CMD" | "ENTRYPOINT", args: readonly string[]): string {
  return `${instruction} ${JSON.stringify(args)}`;
}

/** `ENV NAME="value" …`, where nothing of the values is expanded: one instruction, for each is a layer that takes its time. */
export function envLine(values: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(values).map(([name, value]) => `${name}="${value.replace(/[\\"$]/gu, "\\$&")}"`);
  return `ENV ${pairs.join(" ")}`;
}

/** A RUN whose cache directory is kept between builds, and is no part of the image. */
export function runWithCache(directory: string, command: string): string {
  return `RUN --mount=type=cache,target=${directory} ${command}`;
}

/** ARGs by which tools find the certificates that the machine trusts, while they install: `certificatesPath` is mounted there. */
export const certificateArgs = ["NODE_EXTRA_CA_CERTS", "PIP_CERT", "SSL_CERT_FILE"] as const;
export const certificatesPath = "/run/elafros-certificates.crt";
