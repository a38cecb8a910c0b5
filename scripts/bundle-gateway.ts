/**
 * Puts the gateway's compiled program into a file for its first thread, one for the others and one for what is loaded later, in place of a hundred:
 * connections wait while it starts, and finding modules is a third of that (docs/decisions/0030-succession.md). Packages stay where they are.
 *
 * usage: node scripts/bundle-gateway.ts [DIST]
 */
import { resolve } from "node:path";
import { rolldown } from "rolldown";

const directory = resolve(process.argv[2] ?? "dist", "gateway");
const bundle = await rolldown({
  input: ["main", "thread"].map((name) => `${directory}/${name}.js`),
  platform: "node",
  external: (id) => !id.startsWith(".") && !id.startsWith("/"),
});
await bundle.write({ dir: directory, format: "esm", entryFileNames: "[name].js", chunkFileNames: "bundled-[name].js" });
await bundle.close();
