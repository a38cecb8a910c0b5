/**
 * The files of a new function: one file with one exported handler, and a test that runs without anything installed. Pure.
 */
export interface ScaffoldFile {
  path: string;
  content: string;
}

/** @param name of the function, as services are named */
export function scaffoldFunction(name: string): ScaffoldFile[] {
  return [
    {
      path: "package.json",
      content: `${JSON.stringify(
        {
          name,
          version: "1.0.0",
          private: true,
          type: "module",
          main: "index.js",
          scripts: { test: "node --test" },
          engines: { node: ">=20" },
        },
        undefined,
        2,
      )}\n`,
    },
    {
      path: "index.js",
      content: `/**
 * Answers each request. One at a time reaches an instance; others wait, or go to another instance.
 *
 * Under the Functions Framework, \`req\` and \`res\` are Express's: \`req.query\`, \`req.body\` and \`res.json()\` are there too.
 */
export function index(req, res) {
  const name = new URL(req.url, "http://localhost").searchParams.get("name") ?? "World";
  res.setHeader("content-type", "text/plain; charset=utf-8");
  res.end(\`Hello \${name}\\n\`);
}
`,
    },
    {
      path: "index.test.js",
      content: `import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { index } from "./index.js";

async function ask(path) {
  const server = createServer(index).listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const response = await fetch(\`http://127.0.0.1:\${server.address().port}\${path}\`);
    return { status: response.status, text: await response.text() };
  } finally {
    server.close();
  }
}

test("greets the world", async () => {
  assert.deepEqual(await ask("/"), { status: 200, text: "Hello World\\n" });
});

test("greets who is named", async () => {
  assert.deepEqual(await ask("/?name=you"), { status: 200, text: "Hello you\\n" });
});
`,
    },
    { path: ".gitignore", content: "node_modules/\n.elafros.json\n" },
    { path: ".elafrosignore", content: "*.test.js\n" },
    {
      path: "README.md",
      content: `# ${name}

A function for Elafros: \`index.js\` exports \`index\`, which answers each request.

\`\`\`sh
npm test              # run the tests
elafros run           # build and run it here, until Ctrl-C
elafros deploy        # deploy it as service ${name}
elafros invoke        # ask it
\`\`\`
`,
    },
  ];
}
