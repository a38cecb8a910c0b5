/** Keeps the shipped BuildTemplates there: made at the first start, rendered anew when ConfigMap `base-images` changes, and mended when somebody changes them. */
import { baseImagesName, sharedTemplates } from "../../api/build-names.ts";
import { BuildTemplate } from "../../api/build-template.ts";
import { ConfigMap } from "../../api/config-map.ts";
import { isReason } from "../../api/meta/errors.ts";
import { Namespace } from "../../api/namespace.ts";
import type { Client } from "../../client/client.ts";
import { startInformer } from "../../client/informer.ts";
import { createQueue } from "../../controller/queue.ts";
import type { Clock } from "../../lib/clock.ts";
import type { Log } from "../../lib/log.ts";
import { type TemplateAction, planTemplates } from "./plan.ts";

export interface TemplatesDeps {
  client: Client;
  clock: Clock;
  log: Log;
  /** Whether their namespace is another's to make. Default: it is made where it isn't there. */
  hasNamespace?: boolean;
}

export interface Templates {
  /** Resolves when the templates are there for the first time. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

/** They are one thing: whatever changes, all are looked at. */
const everything = "templates";

/** Starts keeping them. */
export function startTemplates({ client, clock, log, hasNamespace = false }: TemplatesDeps): Templates {
  const follow = { client, clock, log, namespace: sharedTemplates };
  const configMaps = startInformer({ ...follow, kind: ConfigMap, fieldSelector: `metadata.name=${baseImagesName}` });
  const templates = startInformer({ ...follow, kind: BuildTemplate });
  const queue = createQueue({ clock });
  const ends = [configMaps.subscribe(() => queue.add(everything)), templates.subscribe(() => queue.add(everything))];
  const ready = Promise.withResolvers<void>();

  const look = async () => {
    if (!hasNamespace) await ensureNamespace(client);
    const baseImages = configMaps.get(`${sharedTemplates}/${baseImagesName}`);
    for (const action of planTemplates(baseImages, templates.list())) {
      await execute(client, action);
      log.info({ action: action.do, name: nameOf(action) }, "Set up a shipped build template");
    }
  };
  const work = async () => {
    await Promise.all([configMaps.synced, templates.synced]);
    queue.add(everything);
    for (let key = await queue.take(); key !== undefined; key = await queue.take()) {
      try {
        await look();
        queue.forget(key);
        ready.resolve();
      } catch (error) {
        const retryMs = queue.addFailed(key);
        // The caches were behind, or somebody else was at it too.
        if (isReason(error, "Conflict", "AlreadyExists", "NotFound"))
          log.debug({ error, retryMs }, "Observed too early");
        else log.warn({ error, retryMs }, "Cannot set up the shipped build templates; trying again");
      }
      queue.done(key);
    }
  };
  const working = work();
  return {
    ready: ready.promise,
    async stop() {
      for (const end of ends) end();
      queue.close();
      await Promise.all([configMaps.stop(), templates.stop()]);
      await working;
    },
  };
}

async function ensureNamespace(client: Client): Promise<void> {
  try {
    await client.create(Namespace, { apiVersion: "v1", kind: "Namespace", metadata: { name: sharedTemplates } });
  } catch (error) {
    if (!isReason(error, "AlreadyExists")) throw error;
  }
}

async function execute(client: Client, action: TemplateAction): Promise<void> {
  switch (action.do) {
    case "create-base-images":
      await client.create(ConfigMap, action.object);
      return;
    case "create":
      await client.create(BuildTemplate, action.object);
      return;
    case "update":
      await client.update(BuildTemplate, action.object);
      return;
    case "delete":
      await client.delete(BuildTemplate, { namespace: sharedTemplates, name: action.name });
      return;
  }
}

function nameOf(action: TemplateAction): string {
  return action.do === "delete" ? action.name : action.object.metadata.name;
}
