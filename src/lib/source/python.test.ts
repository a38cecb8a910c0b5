import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { type PythonStart, pythonApp } from "./python-app.ts";
import { pythonFunction } from "./python-function.ts";

describe("pythonApp()", () => {
  test.each<[string, Record<string, string>, string | undefined, PythonStart]>([
    ["main.py before app.py", { "app.py": "", "main.py": "" }, undefined, { file: "main.py" }],
    [
      "a Procfile",
      { "main.py": "", Procfile: "release: x\nweb:  python main.py --x\n" },
      undefined,
      { line: "python main.py --x" },
    ],
    [
      "gunicorn",
      { "requirements.txt": "flask==3\ngunicorn>=22\n", "app.py": "app = Flask(__name__)" },
      undefined,
      { server: "gunicorn", app: "app:app" },
    ],
    [
      "uvicorn",
      {
        "pyproject.toml": '[project]\ndependencies = ["fastapi", "uvicorn[standard]"]',
        "main.py": "app: FastAPI = FastAPI()",
      },
      undefined,
      { server: "uvicorn", app: "main:app" },
    ],
    [
      "a file without an app",
      { "requirements.txt": "gunicorn", "main.py": "print(1)" },
      undefined,
      { file: "main.py" },
    ],
    [
      "a server in a comment",
      { "requirements.txt": "# gunicorn", "main.py": "app = 1" },
      undefined,
      { file: "main.py" },
    ],
    ["the file asked for", { "main.py": "", "x/y.py": "" }, "x/y.py", { file: "x/y.py" }],
    ["the app asked for", { "requirements.txt": "gunicorn" }, "x.y:make", { server: "gunicorn", app: "x.y:make" }],
  ])("starts %s", async (_what, files, asked, start) => {
    expect((await pythonApp(sourceView(files), asked))?.start).toEqual(start);
  });

  test.each<[Record<string, string>, string, RegExp]>([
    [{ "main.py": "" }, "x.py", /^Cannot find the entry point "x\.py": there is no such file/u],
    [{ "main.py": "" }, "main:app", /add gunicorn \(WSGI\) or uvicorn \(ASGI\) to the dependencies$/u],
  ])("refuses an entry point that isn't there with a sentence", async (files, asked, sentence) => {
    await expect(pythonApp(sourceView(files), asked)).rejects.toThrow(sentence);
  });
});

describe("pythonFunction()", () => {
  const text = `
import functions_framework

def _helper(x):
    pass

@functions_framework.http
def hello(request):
    return "hi"

def other(request):
    return "other"
`;
  test.each<[string, string, string | undefined, object]>([
    ["the only decorated one", text, undefined, { entryPoint: "hello", signature: "http" }],
    ["the one asked for", text, "other", { entryPoint: "other", signature: "http" }],
    [
      "the only public one",
      "def _a(x):\n  pass\nasync def b(request):\n  pass\n",
      undefined,
      { entryPoint: "b", signature: "http" },
    ],
    [
      "an event's by decorator",
      "@functions_framework.cloud_event\ndef on(e):\n  pass\n",
      undefined,
      { entryPoint: "on", signature: "cloudevent" },
    ],
    [
      "an event's by parameter",
      "def on(cloud_event):\n  pass\n",
      undefined,
      { entryPoint: "on", signature: "cloudevent" },
    ],
    ["one that is imported", "from lib import handler\n", "handler", { entryPoint: "handler" }],
  ])("takes %s", async (_what, main, asked, expected) => {
    expect(await pythonFunction(sourceView({ "main.py": main }), asked)).toMatchObject(expected);
  });

  test("finds none without main.py", async () => {
    expect(await pythonFunction(sourceView({ "app.py": text }))).toBeUndefined();
  });

  test.each<[string, string | undefined, RegExp]>([
    ["def a(x):\n  pass\ndef b(x):\n  pass\n", undefined, /it has a, b\. Name one with --function NAME$/u],
    ["x = 1\n", undefined, /it defines none/u],
    [text, "nothere", /^Cannot find function "nothere" in main\.py: it has _helper, hello, other\./u],
  ])("refuses what it can't tell with a sentence", async (main, asked, sentence) => {
    await expect(pythonFunction(sourceView({ "main.py": main }), asked)).rejects.toThrow(sentence);
  });
});
