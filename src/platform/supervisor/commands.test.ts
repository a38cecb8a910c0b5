import { mkdtemp, rm, stat, writeFile } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { silentLog } from "../../lib/log.ts";
import { sendCommand, serveCommands, UnknownCommandError } from "./commands.ts";

let dir: string;
let path: string;
let server: http.Server;
const done: string[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "elafros-commands-"));
  path = join(dir, "supervisor.sock");
  // What a killed supervisor leaves.
  await writeFile(path, "");
  done.length = 0;
  server = await serveCommands(
    path,
    {
      stop: async () => void done.push("stop"),
      replace: async (name) => {
        if (name === "nothing") throw new Error(`Unknown process "${name}"`);
        done.push(name);
      },
      succeed: async (command) => void done.push(...command),
    },
    silentLog,
  );
});
afterEach(async () => {
  await new Promise((closed) => server.close(closed));
  await rm(dir, { recursive: true });
});

test("sendCommand() resolves when the command has been done", async () => {
  await sendCommand(path, "/replace/gateway");
  await sendCommand(path, "/stop");
  expect(done).toEqual(["gateway", "stop"]);
});

test("sendCommand() sends what the command needs, and tells an unknown one by its class", async () => {
  await sendCommand(path, "/succeed", { command: ["node", "main.ts"] });
  expect(done).toEqual(["node", "main.ts"]);
  for (const wrong of [{}, { command: [] }, { command: [1] }]) {
    await expect(sendCommand(path, "/succeed", wrong)).rejects.toThrow('"succeed" needs "command"');
  }
  await expect(sendCommand(path, "/new")).rejects.toBeInstanceOf(UnknownCommandError);
});

test("sendCommand() fails with the command's own sentence", async () => {
  await expect(sendCommand(path, "/replace/nothing")).rejects.toThrow('Unknown process "nothing"');
  await expect(sendCommand(path, "/replace")).rejects.toThrow('Unknown command "POST /replace"');
  await expect(sendCommand(path, "/")).rejects.toThrow("Unknown command");
});

test("serveCommands() does nothing on GET", async () => {
  const status = await new Promise((resolve, reject) => {
    http.get({ socketPath: path, path: "/stop" }, (answer) => resolve(answer.resume().statusCode)).on("error", reject);
  });
  expect(status).toBe(404);
  expect(done).toEqual([]);
});

test("serveCommands() listens for its own account alone", async () => {
  // Connecting takes the right to write (unix(7)).
  expect((await stat(path)).mode & 0o077).toBe(0);
});

test("sendCommand() tells by its code that nobody listens", async () => {
  await expect(sendCommand(join(dir, "none.sock"), "/stop")).rejects.toMatchObject({ code: "ENOENT" });
});
