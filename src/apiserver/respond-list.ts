/** Long answers, written in slices: turning 10,000 objects into text at once would hold up every other request. */
import { Readable } from "node:stream";
import { setImmediate as nextTurn } from "node:timers/promises";

import type { FastifyReply } from "fastify";

import type { Negotiated } from "./negotiate.ts";
import { commonHeaders, sendObject } from "./respond.ts";
import { toYaml } from "./yaml.ts";

/** A list or table: everything but its entries, and how each of those is shown. */
export interface Listing<T> {
  head: Record<string, unknown>;
  /** `items`, or `rows` of a table. */
  field: string;
  entries: readonly T[];
  show: (entry: T) => unknown;
}

/** So many entries are written at once. */
const sliceEntries = 32;

/** Sends a list; short ones at once. */
export function sendListing<T>(reply: FastifyReply, listing: Listing<T>, form: Negotiated): FastifyReply {
  const { head, field, entries, show } = listing;
  if (entries.length <= sliceEntries || form.pretty) {
    return sendObject(reply, { ...head, [field]: entries.map(show) }, { form });
  }
  const type = form.format === "yaml" ? "application/yaml" : "application/json";
  const chunks = form.format === "yaml" ? yamlChunks(listing) : jsonChunks(listing);
  return reply.headers(commonHeaders()).header("content-type", type).send(Readable.from(chunks));
}

async function* jsonChunks<T>({ head, field, entries, show }: Listing<T>): AsyncGenerator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},${JSON.stringify(field)}:[`;
  for (let from = 0; from < entries.length; from += sliceEntries) {
    const texts = entries.slice(from, from + sliceEntries).map((entry) => JSON.stringify(show(entry)));
    yield (from === 0 ? "" : ",") + texts.join(",");
    await nextTurn();
  }
  yield "]}\n";
}

async function* yamlChunks<T>({ head, field, entries, show }: Listing<T>): AsyncGenerator<string> {
  yield `${toYaml(head)}${field}:\n`;
  for (const entry of entries) {
    yield toYaml([show(entry)]);
    await nextTurn();
  }
}
