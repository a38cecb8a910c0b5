/**
 * `elafros-builder` with real buildah and real base images: what is kept between builds, what is in the images and what isn't, and that they serve. npm's registry is asked
 * for real; Python's and Go's programs are those that need nothing from theirs.
 */
import { access, appendFile, mkdir, readFile, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Builder, makeBuilder } from "../support/builder.ts";

let builder: Builder;
beforeAll(async () => {
  builder = await makeBuilder();
});
afterAll(() => builder.remove());

const isThere = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  );

async function built(workspace: string, language: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await builder.build(workspace, language, ...args);
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

describe("the Node.js example", () => {
  test("installs once, and a changed source is one layer more", async () => {
    const source = await builder.example("express");
    expect(await built(source, "nodejs", "--source=https://user:secret@example.com/a.git", "--revision=abc")).toMatch(
      /added \d+ packages/u,
    );
    const before = await builder.image();
    expect(before.config.User).toBe("1000");
    expect(before.config.Cmd).toEqual(["node", "server.js"]);
    expect(before.config.Labels).toMatchObject({
      "org.opencontainers.image.source": "https://example.com/a.git",
      "org.opencontainers.image.revision": "abc",
    });

    await appendFile(join(source, "server.js"), "// changed\n");
    // A script is no dependency.
    const packageJson = join(source, "package.json");
    await writeFile(
      packageJson,
      (await readFile(packageJson, "utf8")).replace('"scripts": {', '"scripts": {\n    "lint": "true",'),
    );
    const log = await built(source, "nodejs");
    expect(log).not.toMatch(/added \d+ packages/u);
    expect(log).toMatch(/npm ci .*\n--> Using cache/u);
    const after = await builder.image();
    expect(after.layers.slice(0, -1)).toEqual(before.layers.slice(0, -1));
    expect(after.layers.at(-1)).not.toBe(before.layers.at(-1));

    await builder.files(async (root) => {
      expect(await isThere(join(root, "app/node_modules/express/package.json"))).toBe(true);
      for (const path of ["usr/local/bin/npm", "usr/local/lib/node_modules", "usr/bin/gcc"])
        expect(await isThere(join(root, path)), path).toBe(false);
      // What certificates were mounted for is over.
      expect(await isThere(join(root, "run/elafros-certificates.crt"))).toBe(false);
    });
  });
});

test("the TypeScript example holds what its build made, and nothing that only building needs", async () => {
  await built(await builder.example("typescript"), "nodejs");
  await builder.files(async (root) => {
    expect(await isThere(join(root, "app/dist/server.js"))).toBe(true);
    expect(await isThere(join(root, "app/node_modules/fastify"))).toBe(true);
    for (const name of ["typescript", "@types/node"])
      expect(await isThere(join(root, "app/node_modules", name)), name).toBe(false);
  });
  await builder.serve(async (url) => expect(await (await fetch(`${url}/?name=you`)).json()).toEqual({ hello: "you" }));
});

describe("functions", () => {
  test("a module alone serves HTTP, as a user that isn't root", async () => {
    expect(await built(await builder.example("function"), "nodejs-fn", "--entry-point=index")).toContain(
      "Function index of index.js",
    );
    expect((await builder.image()).config.User).toBe("1000");
    await builder.serve(async (url) => expect(await (await fetch(`${url}/?name=you`)).text()).toBe("Hello you\n"));
  });

  test("handlers are told from one another by what they take, in every form of export", async () => {
    const source = await builder.example("function");
    const event = {
      "ce-id": "1",
      "ce-source": "/test",
      "ce-type": "test",
      "ce-specversion": "1.0",
      "content-type": "application/json",
    };
    const send = (url: string) => fetch(url, { method: "POST", headers: event, body: '{"a":1}' });
    await rm(join(source, "index.js"));
    await writeFile(
      join(source, "function.mjs"),
      "export default async (event) => { if (event.type !== 'test') throw new Error('no event'); };\n",
    );
    await built(source, "nodejs-fn");
    await builder.serve(async (url) => expect((await send(url)).status).toBe(204));

    await rm(join(source, "function.mjs"));
    await writeFile(join(source, "index.js"), "module.exports = (req, res) => res.status(201).json(req.body);\n");
    await built(source, "nodejs-fn");
    await builder.serve(async (url) => {
      const answer = await send(url);
      expect(answer.status).toBe(201);
      expect(await answer.json()).toEqual({ a: 1 });
    });
  });

  test("one that registers itself, with the framework of its own package.json, takes events", async () => {
    await built(await builder.example("cloudevents"), "nodejs-fn");
    expect((await builder.image()).config.Cmd?.join(" ")).toContain(
      "/app/node_modules/@google-cloud/functions-framework",
    );
    await builder.files(async (root) => expect(await isThere(join(root, "node_modules"))).toBe(false));
    await builder.serve(async (url) => {
      const headers = { "content-type": "application/cloudevents+json" };
      const body = JSON.stringify({ specversion: "1.0", id: "7", source: "/shop", type: "order", data: { id: 12 } });
      expect((await fetch(url, { method: "POST", headers, body })).status).toBe(204);
    });
  });

  test("one of Go serves HTTP", async () => {
    const source = await builder.example("go");
    await rm(join(source, "main.go"));
    await writeFile(
      join(source, "hello.go"),
      'package hello\n\nimport (\n\t"fmt"\n\t"net/http"\n)\n\nfunc Index(w http.ResponseWriter, r *http.Request) {\n\tfmt.Fprint(w, "Hello from a function")\n}\n',
    );
    await built(source, "go-fn", "--entry-point=index");
    await builder.serve(async (url) => expect(await (await fetch(url)).text()).toBe("Hello from a function"));
  });
});

test("the Python example serves", async () => {
  await built(await builder.example("python"), "python");
  await builder.serve(async (url) => expect(await (await fetch(url)).json()).toEqual({ hello: "World" }));
});

test("the Go example is its program and little else", async () => {
  await built(await builder.example("go"), "go");
  await builder.files(async (root) => {
    expect(await isThere(join(root, "app/app"))).toBe(true);
    for (const path of ["bin/sh", "usr/bin/go", "src"]) expect(await isThere(join(root, path)), path).toBe(false);
  });
  await builder.serve(async (url) => expect(await (await fetch(url)).text()).toBe("Hello World\n"));
});

test("the example with two stages stands on the platform's base images", async () => {
  const offers = ["NODE_BUILD", "NODE_RUN"].map(
    (name) => `--offer=${name}=localhost/elafros/${name.toLowerCase().replace("_", "-")}`,
  );
  await built(await builder.example("dockerfile"), "dockerfile", ...offers);
  await builder.serve(async (url) => expect(await (await fetch(url)).text()).toContain("Hello from two stages"));
});

test("the static site has types, ranges, compression and its own page for what isn't there", async () => {
  const source = await builder.example("static");
  await writeFile(join(source, "assets/long.js"), `// ${"x".repeat(4_000)}\n`);
  await writeFile(join(source, ".htpasswd"), "secret");
  await built(source, "static");
  await builder.serve(async (url) => {
    const page = await fetch(`${url}/`);
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await page.text()).toContain("Hello from a static site");
    expect((await fetch(`${url}/assets/style.css`)).headers.get("content-type")).toBe("text/css; charset=utf-8");
    const part = await fetch(`${url}/assets/style.css`, { headers: { range: "bytes=0-3" } });
    expect([part.status, await part.text()]).toEqual([206, "body"]);
    expect((await fetch(`${url}/assets/long.js`)).headers.get("content-encoding")).toBe("gzip");
    const missing = await fetch(`${url}/nothing`);
    expect([missing.status, await missing.text()]).toEqual([404, expect.stringContaining("There is no such page")]);
    expect((await fetch(`${url}/.htpasswd`)).status).toBe(404);
  });
});

test("a static site that a build script makes is what it made", async () => {
  const source = await builder.example("static");
  const script = "mkdir dist && sed 's/a static site/a build/' index.html > dist/index.html";
  await writeFile(join(source, "package.json"), JSON.stringify({ scripts: { build: script } }));
  await built(source, "static", "--build-base=localhost/elafros/node-build");
  await builder.serve(async (url) => {
    expect(await (await fetch(url)).text()).toContain("Hello from a build");
    expect((await fetch(`${url}/package.json`)).status).toBe(404);
  });
});

test("Python's dependencies are in an environment without pip", async () => {
  const source = await builder.example("python");
  // A package that builds itself, for PyPI can't be asked everywhere.
  await mkdir(join(source, "greeting"));
  await writeFile(join(source, "requirements.txt"), "./greeting\n");
  await writeFile(
    join(source, "greeting/pyproject.toml"),
    '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
  );
  await writeFile(
    join(source, "greeting/backend.py"),
    `import zipfile
def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(directory + "/" + name, "w") as wheel:
        wheel.writestr("greeting.py", "text = 'Hello from a package'\\n")
        info = "greeting-1.0.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: greeting\\nVersion: 1.0\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "RECORD", "")
    return name
`,
  );
  const main = await readFile(join(source, "main.py"), "utf8");
  await writeFile(
    join(source, "main.py"),
    main.replace('"World")', "greeting.text)").replace("import json", "import greeting\nimport json"),
  );
  expect(await built(source, "python")).toContain("Successfully installed greeting-1.0");
  await builder.files(async (root) => {
    const packages = join(root, "venv/lib", (await readdir(join(root, "venv/lib")))[0] ?? "", "site-packages");
    expect(await readdir(packages)).toContain("greeting.py");
    expect(await isThere(join(packages, "pip"))).toBe(false);
  });
  await builder.serve(async (url) =>
    expect(await (await fetch(url)).json()).toEqual({ hello: "Hello from a package" }),
  );
});

describe("a build that fails ends with a sentence", () => {
  const lastLine = async (workspace: string, language: string, ...args: string[]) => {
    const { code, stderr } = await builder.build(workspace, language, ...args);
    expect(code).toBe(1);
    return stderr.trim().split("\n").at(-1);
  };

  test("of the step, its exit code and what it said", async () => {
    const source = await builder.example("dockerfile");
    await writeFile(
      join(source, "build.js"),
      "console.log('working'); console.error('Cannot find page one'); process.exit(3);\n",
    );
    const offers = ["--offer=NODE_BUILD=localhost/elafros/node-build", "--offer=NODE_RUN=localhost/elafros/node-run"];
    expect(await lastLine(source, "dockerfile", ...offers)).toBe(
      'Step "RUN node build.js" failed with exit code 3: Cannot find page one',
    );
  });

  test("of the lock file", async () => {
    const source = await builder.example("express");
    const packageJson = join(source, "package.json");
    await writeFile(
      packageJson,
      (await readFile(packageJson, "utf8")).replace('"express"', '"fastify": "^5.0.0", "express"'),
    );
    expect(await lastLine(source, "nodejs")).toMatch(
      /^Step "RUN npm ci .*" failed with exit code 1: .*(?:sync|lock file)/u,
    );
  });

  test("of the base image that can't be had", async () => {
    const line = await lastLine(await builder.example("express"), "nodejs", "--run-base=localhost/elafros/nothing:1");
    expect(line).toMatch(/^Cannot get base image "localhost\/elafros\/nothing:1": .*elafros templates stand-ins/u);
  });

  test("of the folder that leads out of the source", async () => {
    expect(await lastLine(await builder.example("express"), "nodejs", "--context=../..")).toBe(
      'Cannot find folder "../.." in the source. Give a folder of it as _CONTEXT',
    );
  });
});

test("the cache is tidied up after a day, and keeps its layers", async () => {
  const source = await builder.example("python");
  await built(source, "python");
  const old = new Date(Date.now() - 48 * 3_600_000);
  await utimes(join(builder.dir, "cache/tidied"), old, old);
  await writeFile(join(builder.dir, "cache/tmp/left"), "by a build that was killed");
  await mkdir(join(builder.dir, "cache/blobs/layout-left"));
  const blob = join(builder.dir, "cache/blobs/sha256", "0".repeat(64));
  await writeFile(blob, "of an image that nobody makes any more");
  await utimes(blob, old, old);
  expect(await built(source, "python")).toContain("Using cache");
  expect(await isThere(join(builder.dir, "cache/tmp/left"))).toBe(false);
  expect(await readdir(join(builder.dir, "cache/blobs"))).toEqual(["sha256"]);
  expect(await isThere(blob)).toBe(false);
  expect(await built(source, "python")).toContain("Using cache");
});

// The last one: what the others would have reused is gone afterwards.
test("layers that are gone since are made again", async () => {
  const source = await builder.example("express");
  await built(source, "nodejs");
  await rm(join(builder.dir, "cache/storage/overlay-layers/layers.json"));
  await writeFile(join(builder.dir, "cache/storage/overlay-layers/layers.json"), "[]");
  await appendFile(join(source, "server.js"), "// changed\n");
  const log = await built(source, "nodejs");
  expect(log).toMatch(/added \d+ packages/u);
  await builder.serve(async (url) => expect(await (await fetch(url)).text()).toBe("Hello World\n"));
});
