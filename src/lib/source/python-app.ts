/** How a Python app is started, and which function a Python function is. */
import { firstOf } from "./node-app.ts";
import type { SourceView } from "./view.ts";

export interface PythonApp {
  why: string;
  /** Where its dependencies are written. */
  requirements: "requirements.txt" | "pyproject.toml" | undefined;
  start: PythonStart;
}

/** The arguments of `python`, or those of a server for `module:app` from its dependencies, or the shell line of a Procfile. */
export type PythonStart = { file: string } | { server: "gunicorn" | "uvicorn"; app: string } | { line: string };

const mainFiles = ["main.py", "app.py", "server.py", "wsgi.py"];

/**
 * How an app is started: the `web` line of a Procfile; else `main.py`, `app.py`, `server.py` or `wsgi.py`, by gunicorn or uvicorn as `FILE:app` where the dependencies
 * name one of them and the file has an `app`, else by `python FILE`.
 * @param asked a file, or `module:app`, where the user says it
 * @returns undefined where nothing says that this is a Python app
 * @throws with a sentence, where it is one but nothing says how to start it
 */
export async function pythonApp(view: SourceView, asked?: string): Promise<PythonApp | undefined> {
  const requirements = firstOf(view, ["requirements.txt", "pyproject.toml"]) as PythonApp["requirements"];
  const file = firstOf(view, mainFiles);
  const line = /^web:[ \t]*(\S.*)$/mu.exec((await view.read("Procfile")) ?? "")?.[1]?.trim();
  const why = requirements ?? file;
  if (why === undefined) return undefined;
  const wanted = requirements === undefined ? "" : ((await view.read(requirements)) ?? "");
  if (asked !== undefined) return { why, requirements, start: askedStart(view, asked, wanted) };
  if (line !== undefined) return { why: `${why} and Procfile`, requirements, start: { line } };
  if (file === undefined) {
    throw new Error(
      `Cannot tell how to start the Python app: there is ${why}, but no Procfile with "web:", and none of ${mainFiles.join(", ")}. Add one of them, or give _ENTRY_POINT (a file, or module:app)`,
    );
  }
  const server = serverIn(wanted);
  const text = (await view.read(file)) ?? "";
  const start =
    server !== undefined && /^app\s*(?::[^=]+)?=/mu.test(text) ? { server, app: `${file.slice(0, -3)}:app` } : { file };
  return {
    why: requirements === undefined || requirements === why ? `${why}${why === file ? "" : ` and ${file}`}` : why,
    requirements,
    start,
  };
}

function askedStart(view: SourceView, asked: string, requirements: string): PythonStart {
  if (!asked.includes(":")) {
    if (view.files.includes(asked)) return { file: asked };
    throw new Error(
      `Cannot find the entry point "${asked}": there is no such file. Give a file of the source, or module:app`,
    );
  }
  const server = serverIn(requirements);
  if (server === undefined) {
    throw new Error(
      `Cannot serve the entry point "${asked}": add gunicorn (WSGI) or uvicorn (ASGI) to the dependencies`,
    );
  }
  return { server, app: asked };
}

/** The server that the dependencies name; uvicorn wins, for an ASGI app often has both. */
function serverIn(requirements: string): "gunicorn" | "uvicorn" | undefined {
  const lines = requirements.replace(/#.*$/gmu, "");
  if (/(?:^|["'\s[,])uvicorn\b/imu.test(lines)) return "uvicorn";
  return /(?:^|["'\s[,])gunicorn\b/imu.test(lines) ? "gunicorn" : undefined;
}
