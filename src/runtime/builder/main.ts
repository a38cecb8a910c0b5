/** `elafros-builder`: builds the source in `/workspace` and leaves the image in `/builder/image`. Its last line, where it fails, is a sentence. */
import { build } from "./build.ts";
import { parseOptions } from "./options.ts";

try {
  await build(parseOptions(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
