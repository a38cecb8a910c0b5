import { Command } from "commander";
import { baseImagesName, sharedTemplates } from "../../../api/build-names.ts";
import type { HttpClient } from "../../../client/http.ts";
import type { Factory } from "../../factory.ts";
import { ConfigMap } from "../../objects.ts";
import { optional } from "../../optional.ts";
import { examples } from "../../options.ts";
import { dataDirOf, dataDirOption } from "../../data-dir.ts";

export interface TemplatesStandInsOptions {
  dataDir: string;
  only?: string[];
}

export function templatesStandInsCommand(
  factory: Factory,
  run: (options: TemplatesStandInsOptions, factory: Factory) => Promise<void> = runTemplatesStandIns,
): Command {
  const command = new Command("stand-ins").description(
    "Make stand-ins of the templates' base images from this machine's distribution packages, and use them: builds then need no public registry",
  );
  dataDirOption(command).option(
    "--only <languages>",
    "only those for node, python, go or static, separated by commas (repeatable; default: all)",
    languages,
  );
  examples(command, ["sudo elafros templates stand-ins", "sudo elafros templates stand-ins --only node,static"]);
  return command.action(async (options: TemplatesStandInsOptions) => run(options, factory));
}

/** Separated by commas, and repeated. */
function languages(text: string, before: string[] = []): string[] {
  return [...before, ...text.split(",").map((one) => one.trim())];
}

async function runTemplatesStandIns({ dataDir, only }: TemplatesStandInsOptions, factory: Factory): Promise<void> {
  const { io, platform } = factory;
  const place = dataDirOf({ dataDir }, factory);
  const { client } = await factory.connect({ kubeconfig: `${place}/kubeconfig` });
  try {
    // Asked before minutes of work: a server that is away couldn't be told of it.
    const before = await optional(client.get(ConfigMap, key));
    const images = await platform.makeStandIns({
      dataDir: place,
      print: (line) => io.line(line),
      ...(only === undefined ? {} : { only }),
    });
    await point(client, { images, exists: before !== undefined });
    for (const [name, image] of Object.entries(images)) io.line(`${io.paint.green("✓")} ${name} is ${image}`);
  } finally {
    client.close();
  }
}

const key = { namespace: sharedTemplates, name: baseImagesName };

/** What isn't named keeps its image. */
async function point(
  client: HttpClient,
  { images, exists }: { images: Record<string, string>; exists: boolean },
): Promise<void> {
  if (exists) await client.patch(ConfigMap, key, { type: "merge", body: { data: images } });
  else await client.create(ConfigMap, { apiVersion: "v1", kind: "ConfigMap", metadata: key, data: images });
}
