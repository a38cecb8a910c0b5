/** A driver in a process of its own, to be killed at any moment: argv is the bed's directory, then how many instances. Says what it does on stdout. */
import { join } from "node:path";
import { systemClock } from "../../src/lib/clock.ts";
import { silentLog } from "../../src/lib/log.ts";
import { createDriver } from "../../src/runtime/oci/driver.ts";
import { createNetwork } from "../../src/runtime/oci/network.ts";
import type { ImageRoot } from "../../src/runtime/oci/parts.ts";
import { instanceSpec } from "./instance-spec.ts";

const [dir = "", count = "1"] = process.argv.slice(2);
const runDir = join(dir, "run");
const image: ImageRoot = {
  layers: [join(dir, "images/busybox")],
  id: "busybox",
  config: {
    env: ["PATH=/bin"],
    entrypoint: [],
    cmd: ["/bin/sh", "/bin/serve"],
    user: "",
    workingDir: "",
    stopSignal: "",
    volumes: [],
  },
};
const network = await createNetwork({
  dataDir: dir,
  runDir,
  prepared: 2,
  log: silentLog,
  gatewayPorts: [],
  allowHostPorts: [],
});
const driver = await createDriver({
  dir: join(dir, "instances"),
  runDir,
  builds: { dir: join(dir, "builds"), bases: join(dir, "bases") },
  images: {
    resolve: async (name) => name,
    pull: async () => {},
    root: async () => image,
    prune: async () => [],
    importLayout: () => Promise.reject(new Error("there are no builds here")),
    pushLayout: () => Promise.reject(new Error("there are no builds here")),
  },
  network,
  drain: async () => {},
  clock: systemClock,
  log: silentLog,
});
const key = { namespace: "default", name: "crash-00001" };
const tell = () => {
  const ready =
    driver
      .get(key)
      ?.instances.filter((one) => one.phase === "ready")
      .map((one) => one.id) ?? [];
  process.stdout.write(`${ready.join(" ")}\n`);
};
driver.subscribe(tell);
driver.scale(key, instanceSpec({ terminationGraceMs: 100 }), Number(count));
tell();
setInterval(() => {}, 1000);
