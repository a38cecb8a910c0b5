import { describe, expect, test } from "vitest";
import { startOf } from "./nodejs-start.ts";

function start(scripts: Record<string, string>) {
  const packageJson = { scripts, dependencies: {}, devDependencies: {} };
  return startOf({ why: "", packageJson, start: { script: scripts["start"] ?? "" } });
}

describe("startOf()", () => {
  test.each<[string, string[]]>([
    ["node server.js", ["node", "server.js"]],
    ["  node  --enable-source-maps dist/a.js --port=1 ", ["node", "--enable-source-maps", "dist/a.js", "--port=1"]],
    ["next start", ["sh", "-c", "exec next start"]],
    ["node $FILE", ["sh", "-c", "exec node $FILE"]],
    ["NODE_ENV=production node a.js", ["sh", "-c", "exec env NODE_ENV=production node a.js"]],
    ["node migrate.js && node a.js", ["sh", "-c", "node migrate.js && exec node a.js"]],
    ["a; b", ["sh", "-c", "a; exec b"]],
    ['node -e "x(1)"', ["sh", "-c", 'exec node -e "x(1)"']],
    ["a | b", ["sh", "-c", "a | b"]],
    ["a & b", ["sh", "-c", "a & b"]],
    ["X='a b' node a.js", ["sh", "-c", "X='a b' node a.js"]],
  ])("makes of %j a command that signals reach", (script, command) => {
    expect(start({ start: script }).command).toEqual(command);
  });

  test("runs the script that comes before it, and those that it names, without npm", () => {
    const scripts = { prestart: "npm run migrate", migrate: "node m.js", start: "npm run serve", serve: "node s.js" };
    expect(start(scripts).command).toEqual(["sh", "-c", "node m.js && exec node s.js"]);
  });

  test("ends where scripts name one another", () => {
    expect(start({ start: "npm run start" }).notes).toEqual([expect.stringMatching(/runs a package manager/u)]);
  });

  test("runs a file by Node.js", () => {
    expect(startOf({ why: "", packageJson: undefined, start: { file: "a.mjs" } })).toEqual({
      command: ["node", "a.mjs"],
      binaries: false,
      notes: [],
    });
  });
});
