/** What someone without rights, with forged credentials or with hostile input can do to the API server: nothing. */
import { connect } from "node:tls";

import { SignJWT, generateKeyPair } from "jose";
import { describe, expect, it } from "vitest";

import { openPki } from "../../src/apiserver/pki.ts";
import { issuer } from "../../src/apiserver/tokens.ts";
import { type ApiBench, apiBench } from "../support/api-server.ts";
import { manualClock } from "../support/manual-clock.ts";

const secrets = "/api/v1/namespaces/default/secrets";
const routes = "/apis/elafros.dev/v1alpha1/namespaces/default/routes";
const rbac = "/apis/rbac.authorization.k8s.io/v1";

async function post(bench: ApiBench, path: string, body: object): Promise<void> {
  const answer = await bench.ask("POST", path, { body });
  expect(answer.status, answer.text).toBe(201);
}

async function account(bench: ApiBench, name: string, request: object = {}): Promise<string> {
  await post(bench, "/api/v1/namespaces/default/serviceaccounts", { metadata: { name } });
  const { json } = await bench.ask("POST", `/api/v1/namespaces/default/serviceaccounts/${name}/token`, {
    body: { spec: request },
  });
  return (json as { status: { token: string } }).status.token;
}

async function bind(bench: ApiBench, user: string, rules: object[]): Promise<void> {
  await post(bench, `${rbac}/namespaces/default/roles`, { metadata: { name: user }, rules });
  await post(bench, `${rbac}/namespaces/default/rolebindings`, {
    metadata: { name: user },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: user },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: user }],
  });
}

async function alive(bench: ApiBench): Promise<void> {
  expect((await bench.ask("GET", "/readyz", { as: null })).status).toBe(200);
}

describe("credentials", () => {
  it("authenticate() answers 401 to whoever shows none, but for health and version", async () => {
    const bench = await apiBench();
    for (const path of ["/livez", "/readyz", "/healthz", "/version"]) {
      expect((await bench.ask("GET", path, { as: null })).status, path).toBe(200);
    }
    for (const path of ["/", "/api", "/apis", "/openapi/v3", secrets, "/metrics", "/nope"]) {
      const answer = await bench.ask("GET", path, { as: null });
      expect(answer.status, path).toBe(401);
      expect(answer.json).toMatchObject({ kind: "Status", reason: "Unauthorized", code: 401 });
    }
  });

  it("authenticate() refuses a certificate of another CA, and the server's own", async () => {
    const bench = await apiBench();
    const other = await openPki({ dir: `${bench.dir}/other`, clock: manualClock(Date.now()) });
    const forged = await other.issueClient({ user: "admin", groups: ["system:masters"] });
    expect((await bench.ask("GET", "/api", { as: forged })).status).toBe(401);
    expect((await bench.ask("GET", "/api", { as: bench.pki.serving() })).status).toBe(401);
    expect((await bench.ask("GET", "/api")).status).toBe(200);
  });

  it("review() refuses forged, foreign, expired and orphaned tokens", async () => {
    const clock = manualClock(Date.now());
    const bench = await apiBench({ clock });
    const good = await account(bench, "bot");
    const [header = "", payload = "", signature = ""] = good.split(".");
    const claims = JSON.parse(Buffer.from(payload, "base64url").toString()) as Record<string, unknown>;
    const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const { privateKey } = await generateKeyPair("ES256");
    const otherKey = await new SignJWT(claims).setProtectedHeader({ alg: "ES256" }).sign(privateKey);
    const publicKey = Buffer.from(bench.pki.ca);
    const confused = await new SignJWT(claims).setProtectedHeader({ alg: "HS256" }).sign(publicKey);
    const bad = {
      "alg none": `${encode({ alg: "none" })}.${payload}.`,
      "another key": otherKey,
      "HMAC with a public text": confused,
      "changed claims": `${header}.${encode({ ...claims, sub: "system:serviceaccount:kube-system:x" })}.${signature}`,
      "another audience": await account(bench, "other", { audiences: ["elsewhere"] }),
      garbage: "x.y.z",
    };
    expect((await bench.ask("GET", "/api", { token: good })).status).toBe(200);
    for (const [what, token] of Object.entries(bad)) {
      expect((await bench.ask("GET", "/api", { token })).status, what).toBe(401);
      const review = await bench.ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", {
        body: { spec: { token } },
      });
      expect((review.json as { status: object }).status, what).toMatchObject({
        user: {},
        error: expect.stringContaining("invalid bearer token"),
      });
    }
    await clock.advance(3601 * 1000);
    expect((await bench.ask("GET", "/api", { token: good })).status).toBe(401);
    expect(claims["iss"]).toBe(issuer);
  });

  it("review() ends a token with its account, also when another one takes the name", async () => {
    const bench = await apiBench();
    const token = await account(bench, "bot");
    await bench.ask("DELETE", "/api/v1/namespaces/default/serviceaccounts/bot");
    expect((await bench.ask("GET", "/api", { token })).status).toBe(401);
    await account(bench, "bot");
    expect((await bench.ask("GET", "/api", { token })).status).toBe(401);
  });
});

describe("rights", () => {
  it("decide() refuses whoever has no rights, in every way to read or change", async () => {
    const bench = await apiBench();
    await post(bench, secrets, { metadata: { name: "s" }, stringData: { password: "hunter2" } });
    const alice = await bench.pki.issueClient({ user: "alice", groups: ["dev"] });
    const tries: [string, string][] = [
      ["GET", secrets],
      ["GET", `${secrets}/s`],
      ["GET", `${secrets}?watch=true`],
      ["GET", `${secrets}?fieldSelector=metadata.name%3Ds`],
      ["GET", "/api/v1/secrets"],
      ["GET", "/api/v1/watch/namespaces/default/secrets"],
      ["GET", "/api/v1//namespaces/default/secrets"],
      ["GET", "/api/v1/namespaces/default/../default/secrets"],
      ["GET", "/api/v1/namespaces/default/%73ecrets"],
      ["GET", "/api/v1/namespaces/default/secrets%2fs"],
      ["POST", secrets],
      ["PUT", `${secrets}/s`],
      ["PATCH", `${secrets}/s`],
      ["DELETE", `${secrets}/s`],
      ["DELETE", secrets],
      ["GET", "/api/v1/namespaces/default/pods/x/log"],
      ["POST", "/api/v1/namespaces/default/serviceaccounts/default/token"],
      ["POST", "/apis/authentication.k8s.io/v1/tokenreviews"],
      ["POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"],
      ["GET", "/metrics"],
    ];
    for (const [method, path] of tries) {
      const answer = await bench.ask(method, path, { as: alice });
      expect([400, 403, 404], `${method} ${path}`).toContain(answer.status);
      expect(answer.text).not.toContain("aHVudGVyMg");
    }
    expect((await bench.ask("GET", secrets, { as: alice })).status).toBe(403);
  });

  it("decide() keeps list, watch and logs apart from get", async () => {
    const bench = await apiBench();
    await bind(bench, "alice", [
      { apiGroups: [""], resources: ["secrets"], resourceNames: ["mine"], verbs: ["get", "list", "watch"] },
      { apiGroups: [""], resources: ["pods"], verbs: ["get", "list"] },
    ]);
    const as = await bench.pki.issueClient({ user: "alice", groups: [] });
    expect((await bench.ask("GET", `${secrets}/mine`, { as })).status).toBe(404);
    expect((await bench.ask("GET", `${secrets}/other`, { as })).status).toBe(403);
    expect((await bench.ask("GET", secrets, { as })).status).toBe(403);
    expect((await bench.ask("GET", `${secrets}?fieldSelector=metadata.name%3Dmine`, { as })).status).toBe(200);
    expect((await bench.ask("GET", `${secrets}?fieldSelector=metadata.name!%3Dmine`, { as })).status).toBe(403);
    expect((await bench.ask("GET", "/api/v1/namespaces/default/pods/x/log", { as })).status).toBe(403);
  });

  it("checkEscalation() lets nobody grant what they don't have", async () => {
    const bench = await apiBench();
    await bind(bench, "alice", [
      {
        apiGroups: ["rbac.authorization.k8s.io"],
        resources: ["roles", "rolebindings"],
        verbs: ["create", "update", "patch"],
      },
      { apiGroups: [""], resources: ["pods"], verbs: ["get"] },
    ]);
    const as = await bench.pki.issueClient({ user: "alice", groups: [] });
    const roles = `${rbac}/namespaces/default/roles`;
    const held = [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }];
    expect((await bench.ask("POST", roles, { as, body: { metadata: { name: "held" }, rules: held } })).status).toBe(
      201,
    );
    const more = [{ apiGroups: [""], resources: ["secrets"], verbs: ["get"] }];
    const refused = await bench.ask("POST", roles, { as, body: { metadata: { name: "more" }, rules: more } });
    expect(refused.status).toBe(403);
    expect(refused.text).toContain("is attempting to grant RBAC permissions not currently held");
    expect(refused.text).toContain("secrets");
    for (const [type, body] of [
      ["merge-patch", { rules: more }],
      ["json-patch", [{ op: "replace", path: "/rules", value: more }]],
      ["strategic-merge-patch", { rules: more }],
    ] as const) {
      const headers = { "content-type": `application/${type}+json` };
      expect((await bench.ask("PATCH", `${roles}/held`, { as, headers, body })).status, type).toBe(403);
    }
    const binding = (name: string): object => ({
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "alice" }],
    });
    for (const role of ["cluster-admin", "admin", "edit", "absent"]) {
      const answer = await bench.ask("POST", `${rbac}/namespaces/default/rolebindings`, { as, body: binding(role) });
      expect([403, 404], role).toContain(answer.status);
    }
    expect((await bench.ask("GET", secrets, { as })).status).toBe(403);
  });

  it("impersonate() is for those who may, and no header gets past it", async () => {
    const bench = await apiBench();
    const as = await bench.pki.issueClient({ user: "alice", groups: [] });
    const ask = (headers: Record<string, string | string[]>, who = as) =>
      bench.ask("GET", secrets, { as: who, headers });
    expect((await ask({ "impersonate-user": "admin" })).text).toContain('cannot impersonate resource \\"users\\"');
    await post(bench, `${rbac}/clusterroles`, {
      metadata: { name: "be-bob" },
      rules: [{ apiGroups: [""], resources: ["users"], resourceNames: ["bob"], verbs: ["impersonate"] }],
    });
    await post(bench, `${rbac}/clusterrolebindings`, {
      metadata: { name: "be-bob" },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "be-bob" },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "alice" }],
    });
    expect((await ask({ "impersonate-user": "bob" })).text).toContain('User \\"bob\\" cannot list');
    expect((await ask({ "impersonate-user": "bob", "impersonate-group": "system:masters" })).text).toContain(
      'cannot impersonate resource \\"groups\\"',
    );
    expect((await ask({ "impersonate-user": ["bob", "admin"] })).status).toBe(400);
    expect((await ask({ "impersonate-group": "system:masters" })).status).toBe(400);
    expect((await ask({ "impersonate-user": "bob", "impersonate-extra-scopes": "x" })).text).toContain(
      "userextras/scopes",
    );
    expect((await ask({ "impersonate-user": "bob", "impersonate-anything": "x" })).status).toBe(400);
    // Not a header that means anything: the request stays alice's.
    expect((await ask({ impersonate_user: "admin" })).text).toContain('User \\"alice\\"');
    expect((await ask({ "impersonate-user": "bob", "impersonate-group": "" }, bench.admin)).status).toBe(403);
  });
});

describe("input", () => {
  it("decodeObject() refuses hostile bodies, and the server goes on", async () => {
    const bench = await apiBench();
    let bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n";
    for (let level = 1; level < 10; level += 1)
      bomb += `a${level}: &a${level} [${Array(9)
        .fill(`*a${level - 1}`)
        .join()}]\n`;
    const deep = `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`;
    const bodies: Record<string, [string, number]> = {
      "YAML aliases": [bomb, 400],
      "deep JSON": [deep, 400],
      "deep YAML": ["[".repeat(50_000), 400],
      "deep mappings": [Array.from({ length: 1000 }, (_, level) => `${" ".repeat(level)}a:`).join("\n"), 400],
      "a key of prototypes": [
        '{"apiVersion":"elafros.dev/v1alpha1","kind":"Route","metadata":{"name":"p"},"__proto__":{"polluted":1}}',
        400,
      ],
      "the same in YAML": [
        "apiVersion: elafros.dev/v1alpha1\nkind: Route\nmetadata: {name: p, labels: {__proto__: {polluted: 1}}}\n",
        400,
      ],
      "constructor keys": [
        '{"apiVersion":"elafros.dev/v1alpha1","kind":"Route","metadata":{"name":"p"},"constructor":{"prototype":{"polluted":1}}}',
        422,
      ],
      "no UTF-8": [Buffer.from([0xff, 0xfe, 0x00]).toString("latin1"), 400],
      nothing: ["", 400],
      "a number": ["7", 400],
    };
    for (const [what, [body, status]] of Object.entries(bodies)) {
      const answer = await bench.ask("POST", routes, { body });
      expect(answer.status, `${what}: ${answer.text.slice(0, 200)}`).toBe(status);
      expect(answer.json, what).toMatchObject({ kind: "Status", status: "Failure" });
    }
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
    await alive(bench);
  });

  it("createApiServer() bounds bodies and headers", async () => {
    const bench = await apiBench();
    const large = await bench.ask("POST", routes, { body: "x".repeat(3 * 1024 * 1024 + 1) });
    expect(large.status).toBe(413);
    expect(large.json).toMatchObject({ kind: "Status", reason: "RequestEntityTooLarge", code: 413 });
    expect((await bench.ask("GET", routes, { headers: { "x-large": "y".repeat(40_000) } })).status).toBe(431);
    expect((await bench.ask("GET", routes, { headers: { accept: "a/b,".repeat(5000) } })).status).toBe(406);
    await alive(bench);
  });

  it("readRequest() refuses names that are paths", async () => {
    const bench = await apiBench();
    for (const path of [
      `${routes}/..%2f..%2fsecrets`,
      `${routes}/%2e%2e`,
      `${routes}/a%00b`,
      `${routes}/%ff`,
      "/api/v1/namespaces/..%2fdefault/secrets",
    ]) {
      const answer = await bench.ask("GET", path);
      expect(answer.status, path).toBe(400);
    }
    await alive(bench);
  });

  it("formatOf() takes no untyped body from a page in a browser", async () => {
    const bench = await apiBench();
    const body =
      "apiVersion: elafros.dev/v1alpha1\nkind: Route\nmetadata: {name: csrf}\nspec: {rollout: {traffic: [{configurationName: a, percent: 100}]}}\n";
    const headers = { "content-type": "text/plain", origin: "https://evil.example" };
    expect((await bench.ask("POST", routes, { body, headers })).status).toBe(415);
    expect((await bench.ask("POST", routes, { body, headers: { origin: "https://evil.example" } })).status).toBe(415);
    expect((await bench.ask("GET", `${routes}/csrf`)).status).toBe(404);
    expect((await bench.ask("POST", routes, { body })).status).toBe(201);
  });

  it("createApiServer() answers malformed HTTP and goes on", async () => {
    const bench = await apiBench();
    for (const text of [
      "GARBAGE\r\n\r\n",
      "GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      "GET /api HTTP/1.1\r\nBad Header: x\r\n\r\n",
    ]) {
      const answer = await new Promise<string>((resolve, reject) => {
        const socket = connect(
          { host: "127.0.0.1", port: bench.port, ca: bench.pki.ca, cert: bench.admin.cert, key: bench.admin.key },
          () => socket.write(text),
        );
        let read = "";
        socket.on("data", (chunk) => (read += chunk.toString()));
        socket.on("end", () => resolve(read));
        socket.on("error", reject);
      });
      expect(answer).toMatch(/^HTTP\/1.1 400 /);
    }
    await alive(bench);
  });
});
