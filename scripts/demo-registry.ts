/** The demo's registry with its two sample images, until SIGTERM. Prints their names as one JSON line when it serves. */
import { bindSocket, parseHostPort } from "../src/lib/listening-socket.ts";
import { makeImages } from "../test/support/images.ts";
import { startRegistry } from "../test/support/registry.ts";

const [address = "127.0.0.1:5088"] = process.argv.slice(2);
const { host, port } = parseHostPort(address);
// Says in a sentence that the port is taken, where the registry would say it in its log.
try {
  bindSocket(host, port).close();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
const registry = await startRegistry({ address });
const images = await makeImages(registry);
process.once("SIGTERM", () => void registry.close().then(() => process.exit(0)));
// Keeps the process alive: the registry itself is another one.
setInterval(() => {}, 2 ** 30);
console.log(JSON.stringify({ first: images["app:1"], second: images["app:2"] }));
