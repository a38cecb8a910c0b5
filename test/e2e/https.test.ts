/** A platform that serves HTTPS: the local CA, a certificate of one's own, domains, the redirection, and what is left of it after a restart. */
import { execFile } from "node:child_process";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/lib/clock.ts";
import { type Authority, openAuthority } from "../../src/platform/certificates/authority.ts";
import { openFileStore } from "../../src/platform/certificates/file-store.ts";
import { elafrosApi, post } from "../support/failures.ts";
import { elafros, eventually, freePort, run } from "../support/platform.ts";
import { type Stage, startStage } from "../support/stage.ts";

const exec = promisify(execFile);
const host = "my-service.default.localhost";
let stage: Stage;
let httpsPort: number;
/** Who signed the certificates that people bring along. */
let other: Authority;
const local = () => join(stage.platform.dataDir, "certificates/ca.crt");

interface RouteView {
  metadata: { generation: number };
  spec: object;
  status: {
    observedGeneration: number;
    url: string;
    domains?: string[];
    conditions: { type: string; status: string; reason?: string; message?: string }[];
  };
}

async function route(name = "my-service"): Promise<RouteView> {
  return (await stage.platform.json("GET", `${elafrosApi}/routes/${name}`)) as RouteView;
}

async function condition(
  type: string,
  name?: string,
): Promise<{ status: string; reason?: string; message?: string } | undefined> {
  const { metadata, status } = await route(name);
  if (status.observedGeneration !== metadata.generation) return undefined;
  return status.conditions.find((each) => each.type === type);
}

async function patch(spec: object, name = "my-service"): Promise<void> {
  const type = { "content-type": "application/merge-patch+json" };
  const answer = await stage.platform.call("PATCH", `${elafrosApi}/routes/${name}`, JSON.stringify({ spec }), type);
  expect([answer.status, answer.text.slice(0, 300)]).toEqual([200, expect.anything()]);
}

/** What curl says of a URL at the gateway, whatever DNS thinks of its name. */
async function curl(name: string, ca: string, path = "/"): Promise<{ code: number; text: string }> {
  const args = [
    "-sS",
    "--cacert",
    ca,
    "--resolve",
    `${name}:${httpsPort}:127.0.0.1`,
    `https://${name}:${httpsPort}${path}`,
  ];
  const { code, stdout, stderr } = await run("curl", args);
  return { code, text: `${stdout}${stderr}` };
}

beforeAll(async () => {
  httpsPort = await freePort();
  stage = await startStage(["--https", `127.0.0.1:${httpsPort}`, "--https-redirect"]);
  other = await openAuthority((await openFileStore(join(stage.platform.dataDir, "other-ca"))).authority, systemClock);
});

afterAll(() => stage.close());

test("deploy prints an https URL that works with the local CA, for the route and its named targets", async () => {
  const { platform, images } = stage;
  const deployed = await platform.elafros([
    "deploy",
    "--service",
    "my-service",
    "--image",
    images["app:1"] ?? "",
    "--name",
    "next",
  ]);
  expect(deployed.stderr + deployed.stdout).toContain(`Deployed to https://${host}:${httpsPort}`);
  expect((await route()).status.url).toBe(`https://${host}:${httpsPort}`);
  expect(await condition("CertificateReady")).toMatchObject({ status: "True" });
  for (const name of [host, `next.${host}`]) expect(await curl(name, local())).toMatchObject({ code: 0 });
  const described = await platform.elafros(["services", "describe", "my-service"]);
  expect(described.stdout).toMatch(/CertificateReady +True/);
});

test("plain requests are sent to HTTPS; instances' own names are not", async () => {
  const { platform } = stage;
  // Nothing is kept open, or the gateway would wait for it at the end.
  const headers = { connection: "close" };
  const sent = await platform.ask(host, "/a", { headers });
  expect([sent.status, sent.headers.location]).toEqual([308, `https://${host}:${httpsPort}/a`]);
  expect((await platform.ask("my-service.default", "/", { headers })).status).toBe(200);
});

test("keys are root's alone, but for the gateway's own copy, which is the gateway's alone", async () => {
  const { dataDir } = stage.platform;
  const kept = await readdir(join(dataDir, "certificates"), { withFileTypes: true, recursive: true });
  const files = kept.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  expect(files.length).toBeGreaterThan(3);
  const gateway = (await stat(join(dataDir, "gateway/state"))).uid;
  for (const file of files)
    expect([file, (await stat(file)).mode & 0o777, (await stat(file)).uid]).toEqual([file, 0o600, 0]);
  const served = await stat(join(dataDir, "gateway/state/certificates.json"));
  expect([served.mode & 0o777, served.uid]).toEqual([0o600, gateway]);
  expect(await readFile(join(dataDir, "gateway/state/certificates.json"), "utf8")).not.toContain(
    (await readFile(join(dataDir, "certificates/ca.key"), "utf8")).split("\n")[1],
  );
  expect(await readFile(join(dataDir, "gateway/state/table.json"), "utf8")).not.toContain("PRIVATE KEY");
});

test("domains are served, with the local CA or a Secret's certificate; a Secret that changes is taken over", async () => {
  const { platform } = stage;
  await patch({ domains: ["www.example.com", "*.wild.example.com"] });
  await eventually("the domains are there", async () => (await condition("CertificateReady"))?.status === "True");
  expect((await route()).status.domains).toEqual(["www.example.com", "*.wild.example.com"]);
  expect(await condition("DomainsClaimed")).toMatchObject({ status: "True" });
  for (const name of ["www.example.com", "a.wild.example.com"])
    expect(await curl(name, local())).toMatchObject({ code: 0 });

  await patch({ tls: [{ secretName: "www", hosts: ["www.example.com"] }] });
  await eventually(
    "the Secret is missed",
    async () => (await condition("CertificateReady"))?.reason === "SecretMissing",
  );
  const made = await other.issue(["www.example.com"]);
  const secrets = "/api/v1/namespaces/default/secrets";
  const secret = (pair: { cert: string; key: string }) => ({
    metadata: { name: "www" },
    type: "kubernetes.io/tls",
    stringData: { "tls.crt": pair.cert, "tls.key": pair.key },
  });
  await post(platform, secrets, {
    apiVersion: "v1",
    kind: "Secret",
    ...secret(await other.issue(["mail.example.com"])),
  });
  await eventually(
    "it is found wrong",
    async () => (await condition("CertificateReady"))?.reason === "CertificateMismatch",
  );
  // Until it is right, what served before serves on.
  expect(await curl("www.example.com", local())).toMatchObject({ code: 0 });
  const put = JSON.stringify({ apiVersion: "v1", kind: "Secret", ...secret(made) });
  expect((await platform.call("PUT", `${secrets}/www`, put, { "content-type": "application/json" })).status).toBe(200);
  await eventually("it is served", async () => (await condition("CertificateReady"))?.status === "True");
  const ca = join(platform.dataDir, "other-ca/ca.crt");
  expect(await curl("www.example.com", ca)).toMatchObject({ code: 0 });
  expect((await curl("www.example.com", local())).code).not.toBe(0);
  // The key is in what its owner wrote, and in nothing else that the API tells.
  expect(JSON.stringify(await route())).not.toContain("PRIVATE KEY");
});

test("a domain is its first Route's, until that one gives it up; one under the platform's own is refused", async () => {
  const { platform } = stage;
  const traffic = [{ configurationName: "my-service", percent: 100 }];
  await post(platform, `${elafrosApi}/routes`, {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "second" },
    spec: { rollout: { traffic }, domains: ["www.example.com"] },
  });
  const refused = await eventually("the conflict shows", async () => {
    const seen = await condition("DomainsClaimed", "second").catch(() => undefined);
    return seen?.status === "False" ? seen : undefined;
  });
  expect([refused.reason, refused.message]).toEqual(["DomainConflict", expect.stringContaining('Route "my-service"')]);
  const bad = await platform.call(
    "PATCH",
    `${elafrosApi}/routes/second`,
    JSON.stringify({ spec: { domains: ["second.other.localhost"] } }),
    { "content-type": "application/merge-patch+json" },
  );
  expect([bad.status, bad.text]).toEqual([422, expect.stringContaining("spec.domains[0]")]);
  await patch({ domains: ["*.wild.example.com"], tls: null });
  await eventually("it is the second's", async () => (await condition("DomainsClaimed", "second"))?.status === "True");
  await eventually("it is certified", async () => (await condition("CertificateReady", "second"))?.status === "True");
  expect(await curl("www.example.com", local())).toMatchObject({ code: 0 });
});

test("after control was killed, sessions, certificates and domains are as they were", async () => {
  const { platform } = stage;
  const serial = async () => {
    const connected = await exec("sh", [
      "-c",
      'openssl s_client -connect "127.0.0.1:$1" -servername "$2" </dev/null 2>/dev/null | openssl x509 -noout -serial',
      "sh",
      String(httpsPort),
      host,
    ]);
    return connected.stdout;
  };
  const before = await serial();
  const pid = await platform.pid("control");
  process.kill(pid, "SIGKILL");
  expect(await curl(host, local())).toMatchObject({ code: 0 });
  await eventually(
    "control is back",
    async () => (await platform.pid("control")) !== pid && (await platform.call("GET", "/readyz")).status === 200,
  );
  await eventually(
    "the conflict's end is remembered",
    async () => (await condition("DomainsClaimed", "second"))?.status === "True",
  );
  expect(await serial()).toBe(before);
  expect(before).toContain("serial=");
});

test("trust makes the machine and browsers trust the local CA, --remove takes that back", async () => {
  const { dataDir } = stage.platform;
  // In a mount namespace of its own, so that this machine's store stays as it is.
  const script = `
    set -eu
    work=$(mktemp -d)
    trap 'umount /etc/ssl/certs /usr/local/share/ca-certificates 2>/dev/null; rm -rf "$work"' EXIT
    mkdir "$work/certs" "$work/local" "$work/home"
    cp -a /etc/ssl/certs/. "$work/certs"
    mount --bind "$work/certs" /etc/ssl/certs
    mount --bind "$work/local" /usr/local/share/ca-certificates
    export HOME="$work/home"
    mkdir -p "$HOME/.pki/nssdb"
    certutil -N --empty-password -d "sql:$HOME/.pki/nssdb"
    ask() { curl -sS -o "$work/out" --resolve "$3:$2:127.0.0.1" "https://$3:$2/" && echo answered || echo refused; }
    ask "$@"
    "$1" trust --data-dir "$4"
    ask "$@"
    certutil -L -d "sql:$HOME/.pki/nssdb" | grep -c elafros-
    "$1" trust --remove --data-dir "$4"
    ask "$@"
    certutil -L -d "sql:$HOME/.pki/nssdb" | grep -c elafros- || true
  `;
  const args = [
    "--mount",
    "--propagation",
    "private",
    "sh",
    "-c",
    script,
    "sh",
    elafros,
    String(httpsPort),
    host,
    dataDir,
  ];
  // What set-up tells curl and Node to trust is not what this is about.
  const { SSL_CERT_FILE: _file, CURL_CA_BUNDLE: _bundle, ...env } = process.env;
  const done = await run("unshare", args, { env });
  expect([done.code, done.stderr]).toEqual([0, expect.anything()]);
  const lines = done.stdout.split("\n");
  expect(lines.filter((line) => /^(answered|refused|\d+)$/.test(line))).toEqual([
    "refused",
    "answered",
    "1",
    "refused",
    "0",
  ]);
  expect(done.stdout).toContain("SHA-256");
});
