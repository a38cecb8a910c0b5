import { describe, expect, test } from "vitest";
import { plainBuild, plainStep } from "../../../test/support/build-spec.ts";
import { type BuildSpec, toolsImage } from "../../runtime/builds.ts";
import { makeBuildPod } from "./make-pod.ts";
import { makeBuildSecrets } from "./make-secrets.ts";

const key = { namespace: "n", name: "app-00001" };
const stepMemory = { limitBytes: 2 ** 31, requestBytes: 2 ** 28 };
const facts = { serviceAccountName: "builder", image: "elafros:1", tools: "tools:1", stepMemory };

const door = { host: "controller:7444", ca: "PEM", serverName: "s", place: "r.example/elafros" };

function make(spec: BuildSpec, through?: typeof door, authorities?: string) {
  const made = makeBuildSecrets(key, spec, { door: through, authorities });
  const pod = makeBuildPod(key, spec, made, facts);
  const all = [...pod.spec.initContainers, ...pod.spec.containers];
  const container = (name: string) => {
    const found = all.find((one) => one.name === name);
    if (found === undefined) throw new Error(`There is no container "${name}"`);
    return found;
  };
  const input = made.secrets.at(-1)?.data ?? {};
  const text = (name: string) => Buffer.from(input[name] ?? "", "base64").toString("utf8");
  return { made, pod, all, container, text };
}

describe("makeBuildPod()", () => {
  test("runs source and steps one after the other, and takes the image at last", () => {
    const { pod } = make(plainBuild([plainStep("one"), plainStep("two")]));
    expect(pod.spec.initContainers.map(({ name }) => name)).toEqual(["source", "one", "two"]);
    expect(pod.spec.containers.map(({ name }) => name)).toEqual(["elafros-image"]);
    expect(pod.spec).toMatchObject({
      restartPolicy: "Never",
      activeDeadlineSeconds: 600,
      automountServiceAccountToken: false,
      serviceAccountName: "builder",
    });
    expect(pod.metadata).toMatchObject({
      name: "app-00001-build",
      labels: { "build.dev/buildName": "app-00001" },
      ownerReferences: [{ kind: "Build", name: "app-00001", uid: "u1", controller: true }],
    });
  });

  test("keeps the platform's own containers at the Pod Security level restricted, and steps that say who they run as", () => {
    const login = { type: "basic", url: "https://git.example", username: "u", password: "p" } as const;
    const security = { ...plainStep("x").security, runAsNonRoot: true, runAsUser: 1000 };
    const { all, container } = make(plainBuild([plainStep("one", { security })], { gitCredentials: [login] }));
    expect(all.map(({ name }) => name)).toEqual(["elafros-prepare", "source", "one", "elafros-image"]);
    for (const { securityContext } of all) {
      expect(securityContext).toMatchObject({
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        runAsNonRoot: true,
        seccompProfile: { type: "RuntimeDefault" },
      });
      expect(securityContext.capabilities.add).toBeUndefined();
    }
    const user = (name: string) => container(name).securityContext.runAsUser;
    expect(user("elafros-prepare")).not.toBe(user("source"));
  });

  test("runs steps of the tools image as root whose seccomp profile lets it make user namespaces, unless they say otherwise", () => {
    const { container } = make(plainBuild([plainStep("image", { image: toolsImage })]));
    expect(container("image")).toMatchObject({
      image: "tools:1",
      securityContext: { runAsUser: 0, allowPrivilegeEscalation: false, seccompProfile: { type: "Unconfined" } },
    });
    const security = { ...plainStep("x").security, runAsUser: 1000 };
    const asked = make(plainBuild([plainStep("image", { image: toolsImage, security })]));
    expect(asked.container("image").securityContext).toMatchObject({
      runAsUser: 1000,
      seccompProfile: { type: "RuntimeDefault" },
    });
  });

  test("gives every step the same directories", () => {
    const { container } = make(plainBuild([plainStep("one"), plainStep("two")]));
    const places = (name: string) =>
      container(name).volumeMounts.map(({ name: volume, mountPath }) => `${volume} ${mountPath}`);
    expect(places("one")).toEqual(places("two"));
    expect(places("one")).toEqual([
      "elafros-workspace /workspace",
      "elafros-builder /builder",
      "elafros-home /builder/home",
      "elafros-layout /builder/image",
      "elafros-cache /builder/cache",
    ]);
  });

  test("keeps values out of the Pod, and each step's its own", () => {
    const env = (value: string) => [
      { name: "A", value: "early" },
      { name: "A", value },
    ];
    const file = { path: "f", data: "eA==", mode: 0o600 };
    const mount = {
      mountPath: "/v",
      readOnly: true,
      volume: "elafros-home",
      source: { type: "files" as const, files: [file] },
    };
    const { pod, made, container } = make(
      plainBuild([plainStep("one", { env: env("first") }), plainStep("two", { env: env("second"), mounts: [mount] })]),
    );
    expect(JSON.stringify(pod)).not.toMatch(/first|second/u);
    const valueOf = (name: string) => {
      const variables = container(name).env.filter((one) => one.name === "A");
      expect(variables).toHaveLength(1);
      const { name: secret, key: at } = variables[0]?.valueFrom?.secretKeyRef ?? { name: "", key: "" };
      const data = made.secrets.find(({ metadata }) => metadata.name === secret)?.data?.[at] ?? "";
      return Buffer.from(data, "base64").toString("utf8");
    };
    expect([valueOf("one"), valueOf("two")]).toEqual(["first", "second"]);
    expect(container("two").volumeMounts.at(-1)).toEqual({ name: "volume-0", mountPath: "/v", readOnly: true });
    expect(pod.spec.volumes.filter(({ name }) => name === "elafros-home")).toEqual([
      { name: "elafros-home", emptyDir: {} },
    ]);
  });

  test("puts credentials into HOME, and shows those of registries to whoever pulls", () => {
    const auth = { registry: "r.example", username: "u", password: "hunter2" };
    const { pod, made, container, text } = make(plainBuild([plainStep("one")], { registryAuths: [auth] }));
    expect(pod.spec.imagePullSecrets).toEqual([{ name: made.pull }]);
    expect(container("one").volumeMounts).toContainEqual({
      name: "elafros-credentials-0",
      mountPath: "/builder/home/.docker",
    });
    expect(JSON.parse(text("prepare.json"))).toEqual({ home: [{ path: ".docker/config.json", from: "home-0" }] });
    expect(text("home-0")).toContain("r.example");
    expect(JSON.parse(text("image.json"))).toEqual({ image: "r.example/app", registryAuths: [auth] });
    expect(JSON.stringify(pod)).not.toContain("hunter2");
  });

  test("fetches an upload and pushes an image without a registry through the door, with a token that no step sees", () => {
    const digest = `sha256:${"1".repeat(64)}`;
    const source = { type: "archive" as const, location: `upload:${digest}` };
    const { all, text } = make(plainBuild([plainStep("one")], { source, image: "localhost/n/app:2" }), door);
    const to = (path: string) => ({
      host: "controller:7444",
      ca: "PEM",
      serverName: "s",
      path,
      tokenFile: "/elafros/door/token",
    });
    const from = to("n/elafros-uploads");
    expect(JSON.parse(text("prepare.json"))).toMatchObject({ upload: { digest, to: "/elafros/fetch/upload", from } });
    expect(JSON.parse(text("source.json"))).toMatchObject({ upload: "/elafros/fetch/upload" });
    expect(JSON.parse(text("image.json"))).toMatchObject({
      door: { to: to("n/app"), name: "r.example/elafros/n/app", tag: "2" },
    });
    const mounts = (volume: string) =>
      all.filter(({ volumeMounts }) => volumeMounts.some(({ name }) => name === volume));
    expect(mounts("elafros-door").map(({ name }) => name)).toEqual(["elafros-prepare", "elafros-image"]);
    expect(mounts("elafros-fetch").map(({ name }) => name)).toEqual(["elafros-prepare", "source"]);
  });

  test("has every container see the authorities that the installation trusts, and its own programs and tools trust them", () => {
    const steps = [plainStep("one"), plainStep("image", { image: toolsImage })];
    const { all, container, pod, text } = make(plainBuild(steps), undefined, "PEM");
    expect(text("authorities.crt")).toBe("PEM");
    const place = { name: "elafros-authorities", mountPath: "/elafros/authorities", readOnly: true };
    for (const { volumeMounts } of all) expect(volumeMounts).toContainEqual(place);
    const trusting = (name: string) =>
      all.filter(({ env }) => env.some((one) => one.name === name)).map((one) => one.name);
    expect(trusting("NODE_EXTRA_CA_CERTS")).toEqual(["source", "image", "elafros-image"]);
    expect(trusting("SSL_CERT_DIR")).toEqual(["image"]);
    expect(container("image").env).toContainEqual({
      name: "NODE_EXTRA_CA_CERTS",
      value: "/elafros/authorities/authorities.crt",
    });
    // One that is made by another controller than its Secrets may find none.
    expect(pod.spec.volumes).toContainEqual(
      expect.objectContaining({ name: "elafros-authorities", secret: expect.objectContaining({ optional: true }) }),
    );
    expect(JSON.stringify(make(plainBuild(steps)).pod)).not.toMatch(/authorities|CERT/u);
  });

  test("asks for a tag each time, and escapes what Kubernetes would replace", () => {
    const { container } = make(
      plainBuild([
        plainStep("tag", { args: ["$(HOME) $x"], resources: { cpuMilli: 500, memoryBytes: 1 << 30 } }),
        plainStep("digest", { image: `r.example/i@sha256:${"1".repeat(64)}`, workingDir: "/else" }),
      ]),
    );
    expect(container("tag")).toMatchObject({
      imagePullPolicy: "Always",
      args: ["$$(HOME) $$x"],
      workingDir: "/workspace",
      resources: { limits: { cpu: "500m", memory: "1Gi" } },
    });
    expect(container("digest")).toMatchObject({
      imagePullPolicy: "IfNotPresent",
      workingDir: "/else",
      resources: { limits: { memory: "2Gi" }, requests: { memory: "256Mi" } },
    });
  });

  test("a source that is a step of the user's own comes first, and nothing is fetched", () => {
    const source = { type: "custom" as const, step: plainStep("x", { env: [{ name: "A", value: "1" }] }) };
    const { pod, text, container } = make(plainBuild([plainStep("one")], { source }));
    expect(pod.spec.initContainers.map(({ name, image }) => `${name} ${image}`)).toEqual([
      "source r.example/i:1",
      "one r.example/i:1",
    ]);
    expect(container("source").env.map(({ name }) => name)).toEqual(["HOME", "A"]);
    expect(text("source.json")).toBe("");
  });
});
