/** Static sites: files served by nginx, as they are or as a `build` script makes them. */
import { readPackageJson } from "../../lib/source/package-json.ts";
import { type StaticSite, staticSite } from "../../lib/source/static-site.ts";
import type { SourceView } from "../../lib/source/view.ts";
import { type NodeStage, buildStage, nodeIgnored } from "./nodejs.ts";
import { type BuildPlan, alwaysIgnored, execForm, instructions, runUser } from "./plan.ts";

export interface StaticOptions {
  /** What a `build` script runs on. */
  buildBase: string;
  runBase: string;
  /** The folder that is served. */
  entryPoint?: string;
  /** The page that is answered where no file is: of an app that does its routing itself, `/index.html`. */
  fallback?: string;
}

/**
 * The plan for a site.
 * @throws with a sentence, where there is no index.html
 */
export async function planStatic(view: SourceView, options: StaticOptions): Promise<BuildPlan> {
  const { runBase, entryPoint, fallback } = options;
  const site = await staticSite(view, entryPoint);
  if (site === undefined) {
    const where = entryPoint === undefined ? "the root, public or dist" : `"${entryPoint}"`;
    throw new Error(
      `Cannot find the site: there is no index.html in ${where}. Add it, or give its folder as _ENTRY_POINT`,
    );
  }
  if (fallback !== undefined && !/^\/[\w./-]+$/u.test(fallback)) {
    throw new Error(`Cannot use fallback "${fallback}": give a path such as /index.html as _FALLBACK`);
  }
  const made = site.built ? await builtSite(view, site, options.buildBase) : undefined;
  // The port is known when it starts; nginx reads no environment.
  const start =
    'sed "s/@PORT@/${PORT:-8080}/" /site/nginx.conf > /tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf';
  return {
    dockerfile: instructions(
      ...(made?.lines ?? []),
      `FROM ${runBase}`,
      `USER ${runUser}`,
      "ENTRYPOINT []",
      execForm("CMD", ["sh", "-c", start]),
      "COPY --from=elafros nginx.conf /site/nginx.conf",
      made === undefined
        ? `COPY ${JSON.stringify([site.folder, "/site/files/"])}`
        : "COPY --from=build /site /site/files/",
    ),
    files: { ...made?.files, "nginx.conf": nginxConf(fallback) },
    ignore: made === undefined ? [...alwaysIgnored, "**/node_modules"] : nodeIgnored,
    buildArgs: {},
    notes: [...(made?.notes ?? []), `Serving ${site.why}`],
  };
}

/** Where the usual tools leave what they made (Vite, Astro, Parcel; Create React App; Next.js; Eleventy; Hugo and others). */
const madeIn = ["dist", "build", "out", "_site", "public"];

/** The stage that makes a site, and leaves it in /site. */
async function builtSite(view: SourceView, site: StaticSite, buildBase: string): Promise<NodeStage> {
  if (buildBase === "")
    throw new Error("Cannot build the site: --build-base is missing. The template's _BUILD_BASE names a base image");
  const stage = await buildStage(view, await readPackageJson(view), buildBase);
  const folders = site.folder === undefined ? madeIn : [site.folder];
  const take = `for folder in ${folders.map(quoted).join(" ")}; do if [ -f "$folder/index.html" ]; then mv "$folder" /site && exit 0; fi; done`;
  const none = `echo ${quoted(`The build made no index.html in ${folders.join(", ")}: give its folder as _ENTRY_POINT`)} >&2; exit 1`;
  return { ...stage, lines: [...stage.lines.filter((line) => line !== ""), `RUN ${take}; ${none}`, ""] };
}

/** A word of a shell's command. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** nginx as an ordinary user: everything that it writes is below /tmp. */
function nginxConf(fallback: string | undefined): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `  ${name}_temp_path /tmp/nginx-${name};`,
  );
  return `daemon off;
worker_processes 1;
pid /tmp/nginx.pid;
error_log stderr warn;
events {
  worker_connections 1024;
}
http {
  include /etc/nginx/mime.types;
  default_type application/octet-stream;
  charset utf-8;
  charset_types text/plain text/css text/xml text/javascript application/javascript application/json image/svg+xml;
${temporary.join("\n")}
  access_log off;
  server_tokens off;
  sendfile on;
  tcp_nopush on;
  # The gateway's host and port are the visitor's, not ours.
  absolute_redirect off;
  gzip on;
  gzip_vary on;
  gzip_proxied any;
  gzip_min_length 1024;
  gzip_types text/plain text/css text/xml text/javascript application/javascript application/json application/manifest+json application/xml application/rss+xml image/svg+xml application/wasm;
  server {
    listen @PORT@;
    root /site/files;
    index index.html;
    error_page 404 /404.html;
    # Files that begin with a dot are nobody's business, but those that are meant to be found (RFC 8615).
    location ~ /\\.(?!well-known(?:/|$)) {
      return 404;
    }
    location / {
      try_files $uri $uri/ $uri.html ${fallback ?? "=404"};
    }
  }
}
`;
}
