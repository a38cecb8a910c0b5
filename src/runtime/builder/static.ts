/** Static sites: files served by nginx. */
import { staticSite } from "../../lib/source/static-site.ts";
import type { SourceView } from "../../lib/source/view.ts";
import { type BuildPlan, alwaysIgnored, execForm, instructions, runUser } from "./plan.ts";

export interface StaticOptions {
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
export function planStatic(view: SourceView, { runBase, entryPoint, fallback }: StaticOptions): BuildPlan {
  const site = staticSite(view, entryPoint);
  if (site === undefined) {
    const where = entryPoint === undefined ? "the root, public or dist" : `"${entryPoint}"`;
    throw new Error(
      `Cannot find the site: there is no index.html in ${where}. Add it, or give its folder as _ENTRY_POINT`,
    );
  }
  if (fallback !== undefined && !/^\/[\w./-]+$/u.test(fallback)) {
    throw new Error(`Cannot use fallback "${fallback}": give a path such as /index.html as _FALLBACK`);
  }
  const notFound = view.files.includes(site.folder === "." ? "404.html" : `${site.folder}/404.html`);
  // The port is known when it starts; nginx reads no environment.
  const start =
    'sed "s/@PORT@/${PORT:-8080}/" /site/nginx.conf > /tmp/nginx.conf && exec nginx -e stderr -c /tmp/nginx.conf';
  return {
    dockerfile: instructions(
      `FROM ${runBase}`,
      `USER ${runUser}`,
      "ENTRYPOINT []",
      execForm("CMD", ["sh", "-c", start]),
      "COPY --from=elafros nginx.conf /site/nginx.conf",
      `COPY ${JSON.stringify([site.folder, "/site/files/"])}`,
    ),
    files: { "nginx.conf": nginxConf({ notFound, ...(fallback === undefined ? {} : { fallback }) }) },
    ignore: [...alwaysIgnored, "**/node_modules"],
    buildArgs: {},
    notes: [`Serving ${site.why}`],
  };
}

/** nginx as an ordinary user: everything that it writes is below /tmp. */
function nginxConf({ notFound, fallback }: { notFound: boolean; fallback?: string }): string {
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
    ${notFound ? "error_page 404 /404.html;" : "# Without a 404.html, nginx's own."}
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
