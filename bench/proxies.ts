/** What `proxy.ts` compares: nginx and HAProxy as Debian has them, one worker each, before the same upstream, without access logs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { listens } from "../test/support/raw-http.ts";

/** Connections that each keeps open to the upstream: more than clients come. */
const keptConnections = 512;

export interface Proxy {
  name: string;
  port: number;
  /** Where it serves over TLS; 0 where it doesn't. */
  securePort: number;
  /** Nanoseconds of processor time that its processes have taken, by the kernel's accounting. */
  cpu(): number;
  stop(): Promise<void>;
}

/** A server that answers with files of 0, 1 KiB and 64 KiB, and to posts without a body. */
export async function startUpstream(dir: string, port: number): Promise<Proxy> {
  const files = join(dir, "files");
  await mkdir(files);
  // nginx's worker is another account.
  for (const path of [dir, files]) await chmod(path, 0o755);
  for (const [name, size] of Object.entries({ empty: 0, small: 1024, large: 64 * 1024 })) {
    await writeFile(join(files, name), "x".repeat(size), { mode: 0o644 });
  }
  const server = `
    server {
      listen 127.0.0.1:${port} backlog=4096;
      root ${files};
      open_file_cache max=10;
      location / { }
      location /post { return 200 "ok"; }
    }`;
  return startNginx(dir, "upstream", { port, http: server });
}

/** `pem`: the file of its certificate and key; without one it serves in plain text alone. */
interface ProxyTo {
  upstream: number;
  pem?: string;
}

interface Ports {
  plain: number;
  secure: number;
}

export async function startNginxProxy(dir: string, ports: Ports, { upstream, pem }: ProxyTo): Promise<Proxy> {
  const tls =
    pem === undefined
      ? ""
      : `listen 127.0.0.1:${ports.secure} ssl http2 backlog=4096;
      ssl_certificate ${pem};
      ssl_certificate_key ${pem};
      ssl_protocols TLSv1.2 TLSv1.3;`;
  const http = `
    upstream app { server 127.0.0.1:${upstream}; keepalive ${keptConnections}; keepalive_requests 1000000000; }
    server {
      listen 127.0.0.1:${ports.plain} backlog=4096;
      ${tls}
      location / {
        proxy_pass http://app;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Host $host;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Real-Ip $remote_addr;
        proxy_set_header X-Request-Id $request_id;
      }
    }`;
  const proxy = await startNginx(dir, "nginx", { port: ports.plain, http });
  return { ...proxy, securePort: ports.secure };
}

async function startNginx(dir: string, name: string, { port, http }: { port: number; http: string }): Promise<Proxy> {
  const path = join(dir, `${name}.conf`);
  await writeFile(
    path,
    `daemon off; worker_processes 1; pid ${join(dir, `${name}.pid`)}; error_log stderr crit;
    events { worker_connections 8192; }
    http {
      access_log off;
      sendfile on; tcp_nopush on; tcp_nodelay on;
      keepalive_requests 1000000000; keepalive_timeout 3600s;
      client_body_temp_path ${dir}/${name}-body; proxy_temp_path ${dir}/${name}-proxy;
      fastcgi_temp_path ${dir}/${name}-f; uwsgi_temp_path ${dir}/${name}-u; scgi_temp_path ${dir}/${name}-s;
      ${http}
    }`,
  );
  return start(name, port, ["nginx", "-e", "stderr", "-c", path]);
}

export async function startHaproxy(dir: string, ports: Ports, { upstream, pem }: Required<ProxyTo>): Promise<Proxy> {
  const path = join(dir, "haproxy.cfg");
  await writeFile(
    path,
    `global
  maxconn 8192
  ssl-default-bind-options ssl-min-ver TLSv1.2
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  option http-keep-alive
  http-reuse always
frontend in
  bind 127.0.0.1:${ports.plain} backlog 4096
  bind 127.0.0.1:${ports.secure} backlog 4096 ssl crt ${pem} alpn h2,http/1.1
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Real-Ip %[src]
  http-request set-header X-Request-Id %[uuid]
  default_backend app
backend app
  server app 127.0.0.1:${upstream} pool-max-conn ${keptConnections}
`,
  );
  const proxy = await start("HAProxy", ports.plain, ["haproxy", "-db", "-f", path]);
  return { ...proxy, securePort: ports.secure };
}

async function start(name: string, port: number, [command = "", ...args]: string[]): Promise<Proxy> {
  const child = spawn(command, args, { stdio: ["ignore", "inherit", "inherit"] });
  const failed = once(child, "error").then(([error]: unknown[]) => {
    throw new Error(`Cannot start ${command}: is it installed? (npm run setup -- bench)`, { cause: error });
  });
  await Promise.race([listens(port), failed]);
  return { name, port, securePort: 0, cpu: () => cpuOf(child), stop: () => stop(child) };
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}

/** Of the process, its threads, and its children: the first field of schedstat is time on a processor in nanoseconds. */
export function cpuOf({ pid }: { pid?: number | undefined }): number {
  if (pid === undefined) return 0;
  let sum = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    sum += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
    const children = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
    for (const child of children === "" ? [] : children.split(" ")) sum += cpuOf({ pid: Number(child) });
  }
  return sum;
}
