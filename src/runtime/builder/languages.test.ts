import { describe, expect, test } from "vitest";
import { sourceView } from "../../../test/support/source-view.ts";
import { planGo, planGoFunction } from "./go.ts";
import { planDockerfile } from "./own-dockerfile.ts";
import { planPython, planPythonFunction } from "./python.ts";
import { planStatic } from "./static.ts";

const bases = { buildBase: "build", runBase: "run" };

describe("planPython()", () => {
  test("installs into an environment without pip in the result", async () => {
    const plan = await planPython(
      sourceView({ "requirements.txt": "flask==3.0.0\ngunicorn==22.0.0\n", "app.py": "app = Flask()" }),
      bases,
    );
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM build AS build
      ARG PIP_CERT
      RUN python3 -m venv /venv
      WORKDIR /app
      COPY --from=elafros install/ ./
      RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --disable-pip-version-check --no-input -r requirements.txt
      RUN /venv/bin/pip uninstall --yes --quiet pip

      FROM run
      ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH
      WORKDIR /app
      USER 1000
      CMD ["gunicorn","app:app"]
      COPY --from=build /venv /venv
      COPY . .
      "
    `);
    expect(plan.files).toEqual({ "install/requirements.txt": "flask==3.0.0\ngunicorn==22.0.0\n" });
    expect(plan.notes).toEqual([]);
  });

  test("copies an app without dependencies as it is", async () => {
    expect((await planPython(sourceView({ "main.py": "", "requirements.txt": "# none\n" }), bases)).dockerfile)
      .toMatchInlineSnapshot(`
      "FROM run
      ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
      WORKDIR /app
      USER 1000
      CMD ["python3","main.py"]
      COPY . .
      "
    `);
  });

  test.each<[string, Record<string, string>, string]>([
    [
      "a project",
      { "pyproject.toml": "[project]\n" },
      "/venv/bin/pip install --disable-pip-version-check --no-input .",
    ],
    ["a list that names another", { "requirements.txt": "-r more.txt\n" }, "-r requirements.txt"],
  ])("installs %s from the whole source", async (_what, files, command) => {
    const { dockerfile } = await planPython(sourceView({ "main.py": "", ...files }), bases);
    expect(dockerfile.indexOf("COPY . .")).toBeLessThan(dockerfile.indexOf(command));
  });

  test("starts uvicorn on the port that it is given", async () => {
    const { dockerfile } = await planPython(sourceView({ "requirements.txt": "uvicorn", "main.py": "app = 1" }), bases);
    expect(dockerfile).toContain(
      String.raw`CMD ["sh","-c","exec uvicorn --host 0.0.0.0 --port \"${"$"}{PORT:-8080}\" 'main:app'"]`,
    );
  });
});

describe("planPythonFunction()", () => {
  test("serves it by the Functions Framework, in a layer of its own", async () => {
    const files = { "main.py": "def hello(request):\n  pass\n", "requirements.txt": "requests==2.32.0" };
    const plan = await planPythonFunction(sourceView(files), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM build AS build
      ARG PIP_CERT
      RUN python3 -m venv /venv
      RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --disable-pip-version-check --no-input functions-framework==3.9.2
      WORKDIR /app
      COPY --from=elafros install/ ./
      RUN --mount=type=cache,target=/root/.cache/pip /venv/bin/pip install --disable-pip-version-check --no-input -r requirements.txt
      RUN /venv/bin/pip uninstall --yes --quiet pip

      FROM run
      ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/venv/bin:$PATH
      WORKDIR /app
      ENV FUNCTION_SOURCE="/app/main.py" FUNCTION_TARGET="hello" FUNCTION_SIGNATURE_TYPE="http"
      USER 1000
      CMD ["functions-framework"]
      COPY --from=build /venv /venv
      COPY . .
      "
    `);
    expect(plan.notes[0]).toBe("Function hello of main.py");
  });
});

describe("planGo()", () => {
  test("builds one static program", async () => {
    const files = { "go.mod": "module a", "go.sum": "x", "main.go": "package main" };
    expect((await planGo(sourceView(files), bases)).dockerfile).toMatchInlineSnapshot(`
      "FROM build AS build
      ARG SSL_CERT_FILE
      ENV CGO_ENABLED=0 GOMODCACHE=/cache/mod GOCACHE=/cache/build GOFLAGS=-buildvcs=false
      WORKDIR /src
      COPY go.mod go.sum ./
      RUN --mount=type=cache,target=/cache go mod download
      COPY . .
      RUN --mount=type=cache,target=/cache go build -ldflags="-s -w" -o /out/app .

      FROM run
      WORKDIR /app
      USER 1000
      CMD ["/app/app"]
      COPY --from=build /out/app /app/app
      "
    `);
  });

  test("makes a module where there is none, and asks no proxy for what is in vendor/", async () => {
    expect((await planGo(sourceView({ "main.go": "package main" }), bases)).dockerfile).toContain(
      "RUN go mod init app",
    );
    const vendored = { "go.mod": "", "go.sum": "", "main.go": "package main", "vendor/modules.txt": "" };
    expect((await planGo(sourceView(vendored), bases)).dockerfile).not.toContain("go mod download");
  });
});

describe("planGoFunction()", () => {
  const http = "func Index(w http.ResponseWriter, r *http.Request) {}\n";

  test("serves a package's function by a program of its own", async () => {
    const files = { "go.mod": "module example.com/fn\n", "f.go": `package fn\n${http}` };
    const plan = await planGoFunction(sourceView(files), { ...bases, entryPoint: "index" });
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM build AS build
      ARG SSL_CERT_FILE
      ENV CGO_ENABLED=0 GOMODCACHE=/cache/mod GOCACHE=/cache/build GOFLAGS=-buildvcs=false
      WORKDIR /src
      COPY . .
      COPY --from=elafros source/ ./
      RUN --mount=type=cache,target=/cache go build -ldflags="-s -w" -o /out/app ./elafros_function

      FROM run
      WORKDIR /app
      USER 1000
      CMD ["/app/app"]
      COPY --from=build /out/app /app/app
      "
    `);
    expect(plan.files["source/elafros_function/main.go"]).toContain('function "example.com/fn"');
    expect(plan.files["source/elafros_function/main.go"]).toContain("http.HandlerFunc(function.Index)");
  });

  test("serves a function of package main from within it", async () => {
    const plan = await planGoFunction(sourceView({ "f.go": `package main\n${http}` }), bases);
    expect(plan.files["source/elafros_function.go"]).toContain("http.HandlerFunc(Index)");
    expect(plan.dockerfile).toContain("RUN go mod init function");
  });

  test("refuses a program that serves by itself with a sentence", async () => {
    await expect(
      planGoFunction(sourceView({ "f.go": `package main\n${http}func main() {}\n` }), bases),
    ).rejects.toThrow(/^Cannot serve function "Index": its package main has a func main/u);
  });

  test("serves events by the Functions Framework for Go", async () => {
    const event = "package fn\nfunc On(ctx context.Context, e event.Event) error { return nil }\n";
    const plan = await planGoFunction(sourceView({ "f.go": event }), bases);
    expect(plan.dockerfile).toContain("go get github.com/GoogleCloudPlatform/functions-framework-go@");
    expect(plan.files["source/elafros_function/main.go"]).toContain("function.On)");
  });
});

describe("planStatic()", () => {
  test("serves the folder with index.html", async () => {
    const plan = await planStatic(sourceView({ "public/index.html": "" }), bases);
    expect(plan.dockerfile).toMatchInlineSnapshot(`
      "FROM run
      USER 1000
      ENTRYPOINT []
      CMD ["sh","-c","sed \\"s/@PORT@/\${PORT:-8080}/\\" /site/nginx.conf > /tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf"]
      COPY --from=elafros nginx.conf /site/nginx.conf
      COPY ["public","/site/files/"]
      "
    `);
    expect(plan.files["nginx.conf"]).toContain("error_page 404 /404.html;");
    expect(plan.files["nginx.conf"]).toContain("try_files $uri $uri/ $uri.html =404;");
  });

  test("answers with a page where no file is, where asked to", async () => {
    const plan = await planStatic(sourceView({ "index.html": "" }), { ...bases, fallback: "/index.html" });
    expect(plan.files["nginx.conf"]).toContain("$uri.html /index.html;");
  });

  test("serves what a build script makes, not what it makes it of", async () => {
    const packageJson = JSON.stringify({ scripts: { build: "vite build" }, devDependencies: { vite: "7" } });
    const view = sourceView({ "index.html": "", "package.json": packageJson, "package-lock.json": "{}" });
    expect((await planStatic(view, bases)).dockerfile).toMatchInlineSnapshot(`
      "FROM build AS build
      ARG NODE_EXTRA_CA_CERTS
      ARG npm_config_update_notifier=false
      WORKDIR /app
      COPY --from=elafros install/ ./
      RUN --mount=type=cache,target=/root/.npm npm ci --include=dev --no-audit --no-fund
      COPY . .
      RUN npm run build
      RUN --mount=type=cache,target=/root/.npm npm prune --omit=dev --no-audit --no-fund && rm -f .npmrc
      RUN for folder in 'dist' 'build' 'out' '_site' 'public'; do if [ -f "$folder/index.html" ]; then mv "$folder" /site && exit 0; fi; done; echo 'The build made no index.html in dist, build, out, _site, public: give its folder as _ENTRY_POINT' >&2; exit 1

      FROM run
      USER 1000
      ENTRYPOINT []
      CMD ["sh","-c","sed \\"s/@PORT@/\${PORT:-8080}/\\" /site/nginx.conf > /tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf"]
      COPY --from=elafros nginx.conf /site/nginx.conf
      COPY --from=build /site /site/files/
      "
    `);
    const asked = await planStatic(view, { ...bases, entryPoint: "web/it's" });
    expect(asked.dockerfile).toContain(String.raw`for folder in 'web/it'\''s'; do`);
    await expect(planStatic(view, { ...bases, buildBase: "" })).rejects.toThrow(
      /^Cannot build the site: --build-base is missing/u,
    );
  });

  test.each([
    [{ "a.html": "" }, {}, /^Cannot find the site: there is no index\.html in the root, public or dist/u],
    [{ "index.html": "" }, { entryPoint: "web" }, /no index\.html in "web"/u],
    [{ "index.html": "" }, { fallback: "x; evil" }, /^Cannot use fallback "x; evil"/u],
  ])("refuses %j with %j and a sentence", async (files, options, sentence) => {
    await expect(planStatic(sourceView(files), { ...bases, ...options })).rejects.toThrow(sentence);
  });
});

describe("planDockerfile()", () => {
  const options = { buildArgs: {}, offeredArgs: { NODE_RUN: "x", GO_RUN: "y" } };

  test("gives the base images that are asked for, and what the user says first", async () => {
    const view = sourceView({ Dockerfile: "ARG NODE_RUN=z\narg OTHER\nFROM ${NODE_RUN}" });
    expect((await planDockerfile(view, options)).buildArgs).toEqual({ NODE_RUN: "x" });
    expect((await planDockerfile(view, { ...options, buildArgs: { NODE_RUN: "mine", A: "1" } })).buildArgs).toEqual({
      NODE_RUN: "mine",
      A: "1",
    });
  });

  test("refuses a source without it with a sentence", async () => {
    await expect(planDockerfile(sourceView({}), options)).rejects.toThrow(/^Cannot find a Dockerfile/u);
    await expect(planDockerfile(sourceView({}), { ...options, dockerfile: "x/D" })).rejects.toThrow(
      /^Cannot find "x\/D"/u,
    );
  });
});
