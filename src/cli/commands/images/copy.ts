/**
 * `elafros images copy`: to another registry, what a service runs, or any image.
 */
import { Command } from "commander";
import { formatBytes } from "../../../lib/bytes.ts";
import { chosenRevision, imageOf, pullSecretsOf } from "../../exported-revision.ts";
import { UsageError } from "../../errors.ts";
import type { Factory, ServerOptions } from "../../factory.ts";
import { nameBelow, tagOf } from "../../image-names.ts";
import { aside, createProgress } from "../../io.ts";
import type { Secret } from "../../objects.ts";
import { examples, outputOption, type OutputOptions, serverOptions, serviceName } from "../../options.ts";
import { printView } from "../../print.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface ImagesCopyOptions extends ServerOptions, OutputOptions {
  images: string[];
  service?: string;
  revision?: string;
  /** Where the service's image goes. */
  to?: string;
  authFile?: string;
  dataDir: string;
}

export function imagesCopyCommand(
  factory: Factory,
  run: (options: ImagesCopyOptions, factory: Factory) => Promise<void> = runImagesCopy,
): Command {
  const command = new Command("copy")
    .description(
      "Copy images to a registry, by digest and with every architecture; what is there already isn't sent. Credentials are those of 'podman login' and 'docker login', and a service's pull secrets",
    )
    .argument(
      "[image...]",
      "the images, and at last where they go: a name for one image, or REGISTRY/PREFIX/ for each under its own path; localhost/… is an image of this machine",
    )
    .option("--service <name>", "copy the image that this service runs", serviceName)
    .option(
      "--revision <name>",
      "with --service: of this revision, its name or its Id such as v3 (default: the newest that was ready)",
    )
    .option(
      "--to <prefix>",
      "with --service: REGISTRY/PREFIX; the image keeps its path below it, and its tag is the revision's name",
    )
    .option("--auth-file <file>", "read registry credentials from this file alone");
  dataDirOption(outputOption(serverOptions(command)));
  examples(command, [
    "elafros images copy docker.io/library/nginx:1.27 registry.example.com/mirror/nginx:1.27",
    "elafros images copy localhost/default/hello localhost/default/shop registry.example.com/team/",
    "elafros images copy --service hello --to registry.example.com/team",
  ]);
  return command.action(async (images: string[], options: Omit<ImagesCopyOptions, "images">) =>
    run({ ...options, images }, factory),
  );
}

interface Copy {
  from: string;
  to: string;
}

async function runImagesCopy(options: ImagesCopyOptions, factory: Factory): Promise<void> {
  const { copies, pullSecrets } =
    options.service === undefined
      ? { copies: namedCopies(options), pullSecrets: [] }
      : await serviceCopies({ ...options, service: options.service }, factory);
  // With another format than the table, standard output holds the answer alone.
  const io = options.output === "table" ? factory.io : aside(factory.io);
  const progress = createProgress(io, factory.clock);
  const done: object[] = [];
  const names: string[] = [];
  for (const { from, to } of copies) {
    let bytes = 0;
    progress.start(`Copying [${from}]`);
    try {
      const copied = await factory.platform.copyImage({
        from,
        to,
        dataDir: dataDirOf(options, factory),
        env: factory.env,
        cwd: factory.cwd,
        authFile: options.authFile,
        pullSecrets,
        signal: factory.signal,
        onBytes: (sent) => progress.start(`Copying [${from}] ${formatBytes((bytes += sent))}`),
      });
      progress.done(`Copied [${from}] to [${copied.exact}] (${countWords(copied)})`);
      done.push({ from, to, ...copied });
      names.push(copied.exact);
    } catch (error) {
      progress.fail();
      throw error;
    }
  }
  if (options.output === "table") return;
  await printView(factory.io, options.output, { table: { columns: [], rows: [] }, data: { images: done }, names });
}

function countWords(copied: { sent: number; mounted: number; present: number; bytes: number }): string {
  if (copied.sent + copied.mounted === 0) return "it was there";
  const there = copied.present + copied.mounted;
  return `sent ${formatBytes(copied.bytes)}${there === 0 ? "" : `, ${there} of ${copied.sent + there} parts were there`}`;
}

/** `SRC… DST`. */
function namedCopies({ images, revision, to }: ImagesCopyOptions): Copy[] {
  const [target, ...sources] = images.toReversed();
  if (revision !== undefined || to !== undefined) {
    throw new UsageError("--revision and --to need --service: name the service, or give the images and where they go");
  }
  if (target === undefined || sources.length === 0) {
    throw new UsageError(
      "Give the images and where they go, IMAGE... DESTINATION, or a service with --service and --to",
    );
  }
  const isPrefix = target.endsWith("/");
  if (sources.length > 1 && !isPrefix) {
    throw new UsageError(
      `Several images can't have the one name "${target}": end it with a slash, and each goes below it`,
    );
  }
  return sources.toReversed().map((from) => ({ from, to: isPrefix ? nameBelow(target, from, tagOf(from)) : target }));
}

async function serviceCopies(
  { images, service, revision: given, to, ...options }: ImagesCopyOptions & { service: string },
  factory: Factory,
): Promise<{ copies: Copy[]; pullSecrets: Secret[] }> {
  if (images.length > 0) {
    throw new UsageError(`Cannot use --service with images ("${images.join(" ")}"): leave one out`);
  }
  if (to === undefined) throw new UsageError("--service needs --to REGISTRY/PREFIX, which says where its image goes");
  const session = await factory.connect(options);
  try {
    const revision = await chosenRevision(session, service, given);
    const from = imageOf(revision);
    const pullSecrets = await pullSecretsOf(session, revision);
    return { copies: [{ from, to: nameBelow(to, from, revision.metadata.name) }], pullSecrets };
  } finally {
    session.client.close();
  }
}
