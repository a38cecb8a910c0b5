/** The demo's registry with its two sample images, until SIGTERM. Prints their names as one JSON line when it serves. */
import { makeImages } from "../test/support/images.ts";
import { startRegistry } from "../test/support/registry.ts";

const [address = "127.0.0.1:5088"] = process.argv.slice(2);
const registry = await startRegistry({ address });
const images = await makeImages(registry);
process.once("SIGTERM", () => void registry.close().then(() => process.exit(0)));
// Keeps the process alive: the registry itself is another one.
setInterval(() => {}, 2 ** 30);
console.log(JSON.stringify({ first: images["app:1"], second: images["app:2"] }));
