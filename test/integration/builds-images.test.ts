/** What steps leave as an image: taken, pushed, or refused. */
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import type { BuildSpec, StepSpec } from "../../src/runtime/builds.ts";
import { type BuildBed, buildBed, buildEnd, buildSpec, shellStep, toolsStep, untilTidy } from "../support/builds.ts";
import { layoutScript } from "../support/layout.ts";
import { startRegistry, type TestRegistry } from "../support/registry.ts";

const user = { username: "me", password: "right" };
let bed: BuildBed;
let open: TestRegistry;
let closed: TestRegistry;
beforeAll(async () => {
  [bed, open, closed] = await Promise.all([buildBed(), startRegistry(), startRegistry({ auth: user })]);
});
afterEach(() => untilTidy(bed.dir));
afterAll(async () => {
  await Promise.all([bed.close(), open.close(), closed.close()]);
});

let made = 0;
const newKey = () => ({ namespace: "default", name: `image-${++made}` });

async function runSteps(steps: StepSpec[], more: Partial<BuildSpec> = {}) {
  const key = newKey();
  bed.driver.builds.start(key, buildSpec(steps, more));
  return buildEnd(bed.driver, key);
}

const layoutStep = (content = "x") => shellStep("layout", layoutScript(content));
const tamper = (script: string) => shellStep("tamper", `cd /builder/image; . /workspace/names; ${script}`);

test("an image is pushed under its tag with the digest that it has here", async () => {
  const image = `${open.host}/team/app:v1`;
  const state = await runSteps([layoutStep("pushed")], { image });
  expect(state.failure).toBeUndefined();
  expect(state.imageDigest).toMatch(/^127\.0\.0\.1:\d+\/team\/app@sha256:[0-9a-f]{64}$/);
  expect(await bed.images.resolve(image, [], "Always")).toBe(state.imageDigest);
  // What a Revision needs is here, whatever becomes of the registry.
  expect(await bed.images.root(state.imageDigest ?? "")).toMatchObject({ config: { env: ["A=pushed"] } });
});

test("two builds of one tag at once each give their own image", async () => {
  const image = `${open.host}/team/both:latest`;
  const states = await Promise.all(["one", "two"].map((text) => runSteps([layoutStep(text)], { image })));
  const roots = await Promise.all(states.map(({ imageDigest = "" }) => bed.images.root(imageDigest)));
  expect(roots.map((root) => root?.config.env)).toEqual([["A=one"], ["A=two"]]);
  expect(states.map(({ imageDigest }) => imageDigest)).toContain(await bed.images.resolve(image, [], "Always"));
});

test("pushing uses the build's credentials, and says as whom and where it was refused", async () => {
  const image = `${closed.host}/team/app:v1`;
  const auth = (password: string) => [{ registry: closed.host, username: "me", password }];
  const state = await runSteps([layoutStep()], { image, registryAuths: auth("right") });
  expect(state.failure).toBeUndefined();
  expect(await bed.images.resolve(image, auth("right"), "Always")).toBe(state.imageDigest);

  const wrong = await runSteps([layoutStep()], { image, registryAuths: auth("wrong") });
  expect(wrong.failure?.reason).toBe("PushFailed");
  expect(wrong.failure?.message).toMatch(
    /^Cannot push image "127\.0\.0\.1:\d+\/team\/app:v1": .*(unauthorized|authentication required).* \(asked http:\/\/.* as user "me"\)$/,
  );
  expect(wrong).not.toHaveProperty("imageDigest");

  // Whatever the machine's administrator may, those who build may not.
  const file = join(bed.dir, "machine-auth.json");
  const basic = Buffer.from("me:right").toString("base64");
  await writeFile(file, JSON.stringify({ auths: { [closed.host]: { auth: basic } } }));
  vi.stubEnv("REGISTRY_AUTH_FILE", file);
  const nobody = await runSteps([layoutStep()], { image });
  vi.unstubAllEnvs();
  expect(nobody.failure?.message).toMatch(
    /\(asked .* anonymously\); give the Build's service account a Secret with credentials for that registry$/,
  );
});

test("a registry that isn't there is named", async () => {
  const { failure } = await runSteps([layoutStep()], { image: "127.0.0.1:1/team/app" });
  expect(failure?.reason).toBe("PushFailed");
  expect(failure?.message).toMatch(/^Cannot push image "127\.0\.0\.1:1\/team\/app": .*connection refused/);
});

test("a list of images gives the one for this machine", async () => {
  const state = await runSteps(
    [
      layoutStep("listed"),
      tamper(`
        size=$(stat -c %s blobs/sha256/$manifest)
        entry() { echo '{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:'$1'","size":'$2',"platform":{"architecture":"'$3'","os":"'$4'"}}'; }
        echo '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":['$(entry $layer 1 s390x linux)','$(entry $manifest $size amd64 linux)','$(entry $layer 1 unknown unknown)']}' > /tmp/list
        h=$(sha256sum /tmp/list | cut -d' ' -f1); size=$(stat -c %s /tmp/list); mv /tmp/list blobs/sha256/$h
        echo '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:'$h'","size":'$size'}]}' > index.json`),
    ],
    { image: "listed" },
  );
  expect(state.failure).toBeUndefined();
  expect(await bed.images.root(state.imageDigest ?? "")).toMatchObject({ config: { env: ["A=listed"] } });
});

test.each([
  ["an image directory that is a link", "cd ..; mv image other; ln -s other image", "it is not a directory"],
  ["blobs that are a link", "mv blobs /workspace/b; ln -s /etc blobs", '"blobs" is not a directory'],
  ["a blob that is a link", "rm blobs/sha256/$layer; ln -s /etc/shadow blobs/sha256/$layer", "is not a regular file"],
  ["a manifest that is a pipe", "rm blobs/sha256/$manifest; mkfifo blobs/sha256/$manifest", "is not a regular file"],
  ["an index that is a pipe", "rm index.json; mkfifo index.json", '"index.json" is not a regular file'],
  [
    "an index that is a link",
    "rm index.json; ln -s /proc/self/environ index.json",
    '"index.json" is missing or not a regular file',
  ],
  ["a huge index", "dd if=/dev/zero of=index.json bs=1M count=5 2>/dev/null", "has 5 MiB, more than the 4 MiB"],
  ["an index that is no JSON", "echo '[' > index.json", '"index.json" is no JSON object'],
  ["a missing layer", "rm blobs/sha256/$layer", "is missing"],
  ["a layer of another size", "echo more >> blobs/sha256/$layer", "bytes, not"],
  [
    "a manifest of other bytes",
    "sed -i 's/schemaVersion\":2/schemaVersion\":3/' blobs/sha256/$manifest",
    "have the digest",
  ],
  [
    "a layer of other bytes",
    "printf Z | dd of=blobs/sha256/$layer bs=1 seek=600 conv=notrunc 2>/dev/null",
    "have another digest",
  ],
  ["a config of other bytes", "sed -i 's/A=x/A=y/' blobs/sha256/$config", "have another digest"],
  [
    "a digest that is a path",
    "sed -i 's/sha256:[0-9a-f]*/sha256:..\\/..\\/..\\/index.json/' index.json",
    "without a type and a digest",
  ],
  ["a manifest of another type", "sed -i 's/oci.image.manifest.v1/docker.x/' index.json", "its manifest has the type"],
  ["another version of layouts", "echo '{}' > oci-layout", "not of version 1.0.0"],
  ["no images", "echo '{\"manifests\":[]}' > index.json", "lists 0 images, and none for linux/"],
])("%s is refused", async (_, script, says) => {
  const { failure, ...state } = await runSteps([layoutStep(), tamper(script)], { image: "hostile" });
  expect(failure?.reason).toBe("ImageMissing");
  expect(failure?.message).toMatch(/^Cannot take the (OCI layout|image) in "\/builder\/image": /);
  expect(failure?.message).toMatch(new RegExp(says));
  expect(state).not.toHaveProperty("imageDigest");
});

test("a layer that only another image here has can't be taken by its digest", async () => {
  const secret = await runSteps([layoutStep("another-tenant")], { image: "theirs" });
  expect(secret.failure).toBeUndefined();
  // All of theirs is known, and each blob has its size: but not its bytes.
  const steal = `for f in blobs/sha256/$layer; do s=$(stat -c %s $f); rm $f; head -c $s /dev/zero > $f; done`;
  const { failure } = await runSteps([layoutStep("another-tenant"), tamper(steal)], { image: "mine" });
  expect(failure?.message).toContain("have another digest");
});

test("an image without a name, or with a digest for one, is refused", async () => {
  expect((await runSteps([layoutStep()])).failure?.message).toBe(
    'The steps left an image in "/builder/image", and the build has no name for it: give one in argument "_IMAGE"',
  );
  const image = `localhost/x@sha256:${"a".repeat(64)}`;
  expect((await runSteps([layoutStep()], { image })).failure?.message).toContain("a name with a digest can't be given");
});

test("cancel() while an image is pushed ends the push", async () => {
  // Something that listens and never answers.
  const server = createServer(() => {});
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const key = newKey();
  bed.driver.builds.start(key, buildSpec([layoutStep()], { image: `127.0.0.1:${port}/x` }));
  await expect.poll(() => bed.driver.builds.get(key)?.message).toBe("Pushing the image");
  bed.driver.builds.cancel(key);
  expect((await buildEnd(bed.driver, key)).failure?.reason).toBe("BuildCancelled");
  await untilTidy(bed.dir);
  server.close();
});

test("buildah's layout is taken as it is", async () => {
  const script =
    "printf 'FROM scratch\\nCOPY f /f\\n' > Dockerfile; echo f > f; buildah bud -t r . && buildah push r oci:/builder/image";
  const state = await runSteps([toolsStep("image", script)], { image: "buildah" });
  expect(state.failure).toBeUndefined();
});
