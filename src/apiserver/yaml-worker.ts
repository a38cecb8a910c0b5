/** The thread that parses one large YAML body. */
import { parentPort, workerData } from "node:worker_threads";

import { parseYamlHere } from "./yaml.ts";

try {
  parentPort?.postMessage(parseYamlHere(workerData as string));
} catch (error) {
  parentPort?.postMessage({ error: error instanceof Error ? error.message : String(error) });
}
