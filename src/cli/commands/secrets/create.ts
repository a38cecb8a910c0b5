import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { parseEnvFile } from "../../env-file.ts";
import { UsageError } from "../../errors.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { Secret } from "../../objects.ts";
import { examples, outputOption, type OutputOptions, repeated, serverOptions } from "../../options.ts";
import { printView, qualifiedName } from "../../print.ts";

export interface SecretsCreateOptions extends ServerOptions, OutputOptions {
  name: string;
  /** `KEY=VALUE`. */
  fromLiteral: string[];
  /** `[KEY=]FILE`. */
  fromFile: string[];
  fromEnvFile: string[];
  type?: string;
  dockerServer?: string;
  dockerUsername?: string;
  dockerPassword?: string;
  dockerPasswordStdin: boolean;
}

const dockerConfigType = "kubernetes.io/dockerconfigjson";

export function secretsCreateCommand(
  factory: Factory,
  run: (options: SecretsCreateOptions, factory: Factory) => Promise<void> = runSecretsCreate,
): Command {
  const command = new Command("create")
    .description("Create a secret from values, files, or a registry's user and password")
    .argument("<name>", "the secret's name")
    .option(
      "--from-literal <KEY=VALUE>",
      "a key and its value (repeatable); others can see it in the process list",
      literal,
    )
    .option(
      "--from-file <[KEY=]FILE>",
      "a file's content, under its name or KEY; - is standard input (repeatable)",
      repeated,
    )
    .option("--from-env-file <file>", "keys and values from lines KEY=VALUE (repeatable)", repeated)
    .option("--type <type>", "the secret's type (default: Opaque)")
    .option("--docker-server <host>", "a registry: makes a secret to pull images with")
    .option("--docker-username <user>", "the user at that registry")
    .option("--docker-password <password>", "the user's password; others can see it in the process list")
    .option("--docker-password-stdin", "read the password from standard input", false);
  outputOption(serverOptions(command));
  examples(command, [
    "elafros secrets create database --from-file password.txt",
    "elafros secrets create app --from-env-file .env",
    "elafros secrets create pull --docker-server registry.example.com --docker-username me --docker-password-stdin < password",
  ]);
  type Lists = "fromLiteral" | "fromFile" | "fromEnvFile";
  return command.action(
    async (
      name: string,
      options: Omit<SecretsCreateOptions, "name" | Lists> & Partial<Pick<SecretsCreateOptions, Lists>>,
    ) => run({ fromLiteral: [], fromFile: [], fromEnvFile: [], ...options, name }, factory),
  );
}

function literal(text: string, before: string[] = []): string[] {
  if (!/^[-._A-Za-z0-9]+=/.test(text)) throw new InvalidArgumentError("Give KEY=VALUE.");
  return [...before, text];
}

async function runSecretsCreate(options: SecretsCreateOptions, factory: Factory): Promise<void> {
  const docker = options.dockerServer !== undefined;
  const data = docker ? await dockerData(options, factory) : await plainData(options, factory);
  if (Object.keys(data).length === 0) {
    throw new UsageError(
      `Secret "${options.name}" would be empty: give --from-literal, --from-file, --from-env-file or --docker-server`,
    );
  }
  const { client, namespace } = await factory.connect(options);
  try {
    const created = await client.create(Secret, {
      apiVersion: "v1",
      kind: "Secret",
      metadata: { name: options.name, namespace },
      type: options.type ?? (docker ? dockerConfigType : "Opaque"),
      data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, value.toString("base64")])),
    });
    if (options.output === "table") factory.io.line(`${factory.io.paint.green("✓")} Created secret [${options.name}]`);
    else {
      await printView(factory.io, options.output, {
        table: { columns: [], rows: [] },
        data: created,
        names: [qualifiedName({ ...created, kind: "Secret", apiVersion: "v1" })],
      });
    }
  } finally {
    client.close();
  }
}

async function plainData(options: SecretsCreateOptions, factory: Factory): Promise<Record<string, Buffer>> {
  const data: Record<string, Buffer> = {};
  const add = (key: string, value: Buffer, flag: string) => {
    if (!/^[-._A-Za-z0-9]{1,253}$/.test(key)) {
      throw new UsageError(
        `${flag} "${key}" is no key: use letters, digits, dashes, dots and underscores (KEY=FILE names it)`,
      );
    }
    if (key in data) throw new UsageError(`${flag} "${key}" is given twice: name each key once`);
    data[key] = value;
  };
  for (const file of options.fromEnvFile) {
    const path = resolve(factory.cwd, file);
    const text = (await read(path, "--from-env-file")).toString("utf8");
    for (const { key, value } of parseEnvFile(text, path)) add(key, Buffer.from(value), "--from-env-file");
  }
  for (const given of options.fromFile) {
    const at = given.indexOf("=");
    const file = given.slice(at + 1);
    const key = at === -1 ? basename(file) : given.slice(0, at);
    const content =
      file === "-" ? Buffer.from(await factory.io.readInput()) : await read(resolve(factory.cwd, file), "--from-file");
    add(file === "-" && at === -1 ? "value" : key, content, "--from-file");
  }
  for (const text of options.fromLiteral) {
    const at = text.indexOf("=");
    add(text.slice(0, at), Buffer.from(text.slice(at + 1)), "--from-literal");
  }
  return data;
}

async function read(path: string, flag: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(`Cannot read ${flag} "${path}": ${(error as NodeJS.ErrnoException).code ?? String(error)}`, {
      cause: error,
    });
  }
}

async function dockerData(options: SecretsCreateOptions, factory: Factory): Promise<Record<string, Buffer>> {
  const { dockerServer: server = "", dockerUsername: username } = options;
  const password = options.dockerPasswordStdin
    ? (await factory.io.readInput()).replace(/\r?\n$/, "")
    : options.dockerPassword;
  if (username === undefined || password === undefined || password === "") {
    throw new UsageError(
      "--docker-server needs --docker-username and the password, with --docker-password-stdin or --docker-password",
    );
  }
  const auth = Buffer.from(`${username}:${password}`).toString("base64");
  const config = { auths: { [server]: { username, password, auth } } };
  return { ".dockerconfigjson": Buffer.from(JSON.stringify(config)) };
}
