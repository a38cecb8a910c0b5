/** What the driver does on disk: logs with their limits, and file systems that can't hold an overlay. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, stat } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import type { Log } from "../../src/lib/log.ts";
import { silentLog } from "../../src/lib/log.ts";
import { driverBed, eventually, logOf, shellSpec, untilReady } from "../support/driver.ts";

const run = promisify(execFile);
const key = { namespace: "default", name: "disk-00001" };

test("logs follow a run over conmon's rotation, line by line, and stay within their size", async () => {
  const logBytes = 60_000;
  const bed = await driverBed({ limits: { logBytes } });
  try {
    const script = [
      "httpd -p 8080 -h /",
      // Goes on once all has been read so far: what is kept is less than what a slow reader might miss.
      "i=0; while [ $i -lt 6000 ]; do echo line $i; i=$((i+1)); [ $((i % 500)) = 0 ] && nc -l -p 9000 </dev/null; done",
      "echo finished; exit 7",
    ].join("; ");
    bed.driver.scale(key, shellSpec(script), 1);
    const [instance] = await untilReady(bed.driver, key);
    const id = instance?.id ?? "";
    const numbers: number[] = [];
    let end = "";
    const signal = AbortSignal.timeout(60_000);
    for await (const line of bed.driver.logs(id, { follow: true, timestamps: false, previous: false, signal })) {
      if (!line.startsWith("line ")) end = line;
      else if (numbers.push(Number(line.slice(5))) % 500 === 0) await connected(instance?.address?.host ?? "", 9000);
    }
    expect(end).toBe("finished\n");
    expect(numbers).toHaveLength(6000);
    expect(numbers.every((number, index) => number === index)).toBe(true);
    const logs = join(bed.dir, "instances", id, "log");
    const sizes = await Promise.all((await readdir(logs)).map(async (name) => stat(join(logs, name))));
    const files = new Map(sizes.map((one) => [one.ino, one.size])); // the current one has two names
    const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
    // Two runs at most, each its limit and the line that went over it.
    expect(bytes).toBeLessThan(2 * logBytes + 20_000);
    const { instances } = await eventually(
      bed.driver,
      key,
      (state) => state.instances[0]?.restarts === 1 && state.instances[0].phase === "ready",
    );
    expect(instances[0]?.lastExit).toMatchObject({ code: 7, message: "finished" });
    expect(await logOf(bed.driver, id, true)).toContain("finished\n");
  } finally {
    bed.driver.remove(key);
    await bed.close();
  }
});

/** Connects as soon as somebody listens. */
async function connected(host: string, port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, host);
    const done = await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (done) return;
    await new Promise((next) => setTimeout(next, 5));
  }
}

test("where the data directory lies on an overlay, instances' files are kept in memory, and that is said", async () => {
  const top = await mkdtemp("/var/tmp/elafros-driver-");
  for (const name of ["l", "u", "w", "data"]) await mkdir(join(top, name));
  const data = join(top, "data");
  const parts = `lowerdir=${join(top, "l")},upperdir=${join(top, "u")},workdir=${join(top, "w")}`;
  await run("mount", ["-t", "overlay", "overlay", "-o", parts, data]);
  const warned: string[] = [];
  const log: Log = { ...silentLog, warn: (_, message) => void warned.push(message) };
  try {
    const bed = await driverBed({ log, limits: { tmpfsRootBytes: 4 << 20 } }, data);
    try {
      const script =
        "head -c 8000000 /dev/zero > /big; stat -c %s /big; echo done; rm /big; exec httpd -f -p 8080 -h /";
      bed.driver.scale(key, shellSpec(script, { terminationGraceMs: 0 }), 1);
      const [instance] = await untilReady(bed.driver, key);
      expect(await logOf(bed.driver, instance?.id ?? "")).toMatch(/No space left|I\/O error/);
      expect(warned.join()).toContain("kept in memory");
    } finally {
      bed.driver.remove(key);
      await bed.close();
    }
  } finally {
    await run("umount", [data]);
    await rm(top, { recursive: true });
  }
});
