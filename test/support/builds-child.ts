/** Builds in a process of their own, to be killed at any moment: argv is the bed's directory, then a file with what is declared. Says each state on stdout. */
import { readFile } from "node:fs/promises";
import type { BuildKey, BuildSpec } from "../../src/runtime/builds.ts";
import { buildParts } from "./build-parts.ts";

const [dir = "", file = ""] = process.argv.slice(2);
const declared = JSON.parse(await readFile(file, "utf8")) as { key: BuildKey; spec: BuildSpec }[];
const { driver } = await buildParts(dir);
driver.builds.subscribe((key) => process.stdout.write(`${JSON.stringify(driver.builds.get(key) ?? null)}\n`));
for (const { key, spec } of declared) driver.builds.start(key, spec);
for (const { key } of declared) process.stdout.write(`${JSON.stringify(driver.builds.get(key))}\n`);
setInterval(() => {}, 1000);
