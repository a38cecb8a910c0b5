import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { planNodejsFunction } from "./nodejs-function.ts";
import { planNodejs } from "./nodejs.ts";

const bases = { buildBase: "node-build", runBase: "node-run" };
const json = JSON.stringify;
const lock = { "package-lock.json": "{}" };

describe("planNodejs()", () => {
  test("installs from the lock file in a layer that the source isn't part of", async () => {
    const packageJson = { name: "a", scripts: { start: "node server.js", test: "x" }, dependencies: { express: "5" } };
    const plan = await planNodejs(sourceView({ "package.json": json(packageJson), ...lock, ".npmrc": "x=y" }), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM node-build AS build
      ARG NODE_EXTRA_CA_CERTS
      ARG npm_config_update_notifier=false
      WORKDIR /app
      COPY --from=elafros install/ ./
      RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --no-audit --no-fund

      FROM node-run
      ENV NODE_ENV=production
      WORKDIR /app
      USER 1000
      CMD ["node","server.js"]
      COPY --from=build /app/node_modules ./node_modules
      COPY . .
      "
    `);
    expect(plan.files).toEqual({
      "install/package.json": '{\n  "name": "a",\n  "dependencies": {\n    "express": "5"\n  }\n}\n',
      "install/package-lock.json": "{}",
      "install/.npmrc": "x=y",
    });
    expect(plan.ignore).toContain("**/node_modules");
    expect(plan.ignore).toContain(".npmrc");
    expect(plan.notes).toEqual([]);
  });

  test("builds with what only building needs, and removes that", async () => {
    const packageJson = { scripts: { build: "tsc", start: "node dist/a.js" }, devDependencies: { typescript: "5" } };
    const plan = await planNodejs(sourceView({ "package.json": json(packageJson), ...lock }), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM node-build AS build
      ARG NODE_EXTRA_CA_CERTS
      ARG npm_config_update_notifier=false
      WORKDIR /app
      COPY --from=elafros install/ ./
      RUN --mount=type=cache,target=/root/.npm npm ci --include=dev --no-audit --no-fund
      COPY . .
      RUN npm run build
      RUN --mount=type=cache,target=/root/.npm npm prune --omit=dev --no-audit --no-fund && rm -f .npmrc

      FROM node-run
      ENV NODE_ENV=production
      WORKDIR /app
      USER 1000
      CMD ["node","dist/a.js"]
      COPY --from=build /app ./
      "
    `);
  });

  test("copies an app without dependencies as it is", async () => {
    const plan = await planNodejs(sourceView({ "package.json": json({ main: "a.js" }), "a.js": "" }), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM node-run
      ENV NODE_ENV=production
      WORKDIR /app
      USER 1000
      CMD ["node","a.js"]
      COPY . .
      "
    `);
  });

  test("says that versions may differ where there is no lock file", async () => {
    const plan = await planNodejs(
      sourceView({ "server.js": "", "package.json": json({ dependencies: { a: "1" } }) }),
      bases,
    );
    expect(plan.dockerfile).toContain("npm install --omit=dev");
    expect(plan.notes).toEqual([expect.stringMatching(/^There is no package-lock\.json/u)]);
  });

  test.each<[string, Record<string, unknown>]>([
    ["scripts that installing runs", { scripts: { postinstall: "node fetch.js" }, dependencies: { a: "1" } }],
    ["packages of its own", { workspaces: ["packages/*"], dependencies: { a: "1" } }],
    ["a dependency in the source", { dependencies: { a: "file:./a" } }],
  ])("installs from the whole source where it has %s", async (_what, packageJson) => {
    const { dockerfile, files } = await planNodejs(
      sourceView({ "package.json": json(packageJson), "server.js": "", ".npmrc": "token", ...lock }),
      bases,
    );
    expect(dockerfile.indexOf("COPY . .")).toBeLessThan(dockerfile.indexOf("npm ci"));
    expect(dockerfile).toContain("rm -f .npmrc");
    expect(Object.keys(files)).toEqual(["install/.npmrc"]);
  });

  test.each<[string, Record<string, string>, string, string]>([
    ["npm's shrinkwrap", { "npm-shrinkwrap.json": "{}" }, "{}", "npm ci --omit=dev"],
    [
      "pnpm's lock file",
      { "pnpm-lock.yaml": "lockfileVersion: '9.0'\n" },
      "{}",
      "npm install --global --no-audit --no-fund pnpm@10\n",
    ],
    ["an old one of pnpm", { "pnpm-lock.yaml": "lockfileVersion: '6.0'\n" }, "{}", "pnpm@8\n"],
    ["pnpm in a version", { "pnpm-lock.yaml": "" }, '{"packageManager":"pnpm@9.1.2+sha512.abc"}', "pnpm@9.1.2\n"],
    [
      "yarn's lock file",
      { "yarn.lock": "# yarn lockfile v1\n" },
      "{}",
      "yarn install --frozen-lockfile --non-interactive --production=true",
    ],
  ])("takes %s", async (_what, files, packageJson, command) => {
    const text = json({ ...(JSON.parse(packageJson) as object), dependencies: { a: "1" } });
    const plan = await planNodejs(sourceView({ "server.js": "", "package.json": text, ...files }), bases);
    expect(plan.dockerfile).toContain(command);
  });

  test.each<[string, Record<string, string>, string | undefined, RegExp]>([
    [
      "yarn 2 and newer",
      { "yarn.lock": "__metadata:\n" },
      undefined,
      /^Cannot install from yarn\.lock: only that of yarn 1/u,
    ],
    ["Bun", { "bun.lock": "{}" }, undefined, /^Cannot install from bun\.lock/u],
    ["an entry point that isn't there", {}, "x.js", /^Cannot find the entry point "x\.js"/u],
  ])("refuses %s with a sentence", async (_what, files, entryPoint, sentence) => {
    const view = sourceView({ "server.js": "", "package.json": json({ dependencies: { a: "1" } }), ...files });
    await expect(planNodejs(view, { ...bases, ...(entryPoint === undefined ? {} : { entryPoint }) })).rejects.toThrow(
      sentence,
    );
  });

  test("refuses a source that isn't started with a sentence", async () => {
    await expect(planNodejs(sourceView({ "index.html": "" }), bases)).rejects.toThrow(
      /^Cannot tell how to start the Node\.js app/u,
    );
  });
});

describe("planNodejsFunction()", () => {
  test("wraps a module alone", async () => {
    const plan = await planNodejsFunction(sourceView({ "index.js": "exports.hello = 1" }), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM node-build AS framework
      ARG NODE_EXTRA_CA_CERTS
      ARG npm_config_update_notifier=false
      WORKDIR /framework
      COPY --from=elafros framework/ ./
      RUN --mount=type=cache,target=/root/.npm npm install --omit=dev --no-audit --no-fund

      FROM node-run
      ENV NODE_ENV="production" ELAFROS_FUNCTION_FILE="/app/index.js" ELAFROS_FUNCTION_NAME="hello" ELAFROS_FUNCTION_TARGET="hello" ELAFROS_FUNCTION_SIGNATURE=""
      COPY --from=framework /framework/node_modules /node_modules
      COPY --from=elafros function/ /function/
      WORKDIR /app
      USER 1000
      CMD ["node","/node_modules/@google-cloud/functions-framework/build/src/main.js","--source=/function/main.mjs","--target=hello"]
      COPY . .
      "
    `);
    expect(JSON.parse(plan.files["framework/package.json"] ?? "")).toEqual({
      private: true,
      dependencies: { "@google-cloud/functions-framework": "5.0.5" },
    });
    expect(Object.keys(plan.files)).toContain("function/main.mjs");
  });

  test("starts a registered function by the source's own framework", async () => {
    const text = "const f = require('@google-cloud/functions-framework'); f.cloudEvent('on-order', () => {});";
    const dependencies = { "@google-cloud/functions-framework": "^5" };
    const plan = await planNodejsFunction(
      sourceView({ "index.js": text, "package.json": json({ dependencies }), ...lock }),
      bases,
    );
    expect(plan.dockerfile).not.toContain("AS framework");
    expect(plan.dockerfile).toContain(
      'CMD ["node","/app/node_modules/@google-cloud/functions-framework/build/src/main.js","--source=/app/index.js","--target=on-order"]',
    );
    expect(plan.files).not.toHaveProperty(["function/main.mjs"]);
  });

  test("takes a signature, and registers a name that the framework wouldn't take as another", async () => {
    const view = sourceView({ "index.js": "exports.$a = (x) => {}" });
    const { dockerfile } = await planNodejsFunction(view, { ...bases, signature: "cloudevent" });
    expect(dockerfile).toContain('ELAFROS_FUNCTION_NAME="\\$a"');
    expect(dockerfile).toContain('ELAFROS_FUNCTION_SIGNATURE="cloudevent"');
    expect(dockerfile).toContain('"--target=function"');
  });
});
