/**
 * The manifests of the normative examples with kubectl, as somebody who knows Kubernetes would use it: against the real platform with
 * real containers, from `apply` to `delete`. What kubectl prints is compared with what it prints for the kinds of Kubernetes.
 */
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasKubectl } from "../../support/kubectl.ts";
import { background, eventually, run } from "../../support/platform.ts";
import { type Stage, startStage } from "../../support/stage.ts";
import { first, second, third } from "../normative/examples.ts";
import { type Bindings, fill } from "../normative/transcript.ts";

let stage: Stage;
let images: Bindings;
const names = { def: "my-service-00002", ghi: "my-service-00003" };
const age = String.raw`\d+m?\d*s`;

const usable = hasKubectl();

beforeAll(async () => {
  if (usable) stage = await startStage(["--domain", "mydomain.com"]);
  images = { "gcr.io/...": stage?.images["app:1"] ?? "" };
});

afterAll(async () => {
  await stage?.close();
});

/** What a command prints that succeeds without a word on standard error. */
async function kubectl(args: string, input?: string): Promise<string> {
  const result = await stage.platform.kubectl(args.split(" "), input);
  expect(result, args).toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

/** A table's rows, their cells with one space between. */
async function table(args: string): Promise<string[]> {
  const text = await kubectl(args);
  return text
    .trimEnd()
    .split("\n")
    .map((row) => row.trim().replaceAll(/ {2,}/g, " "));
}

const like = (pattern: string) => expect.stringMatching(new RegExp(`^${pattern}$`)) as string;

async function served(name = ""): Promise<{ version: string; env: Record<string, string> }> {
  const answer = await stage.platform.ask(`${name}my-service.default.mydomain.com`, "/info");
  expect(answer.status, answer.text).toBe(200);
  return JSON.parse(answer.text) as { version: string; env: Record<string, string> };
}

describe.skipIf(!usable)("the examples' manifests with kubectl", () => {
  test("apply and wait bring the service up, and get shows it as kubectl shows its own", async () => {
    const manifest = `${second.postRoute}---\n${fill(second.postConfiguration, images)}`;
    expect(await kubectl("apply -f -", manifest)).toBe(
      "route.elafros.dev/my-service created\nconfiguration.elafros.dev/my-service created\n",
    );
    expect(await kubectl("wait --for=condition=Ready route/my-service --timeout=60s")).toBe(
      "route.elafros.dev/my-service condition met\n",
    );
    expect(await served()).toMatchObject({ version: "1", env: { FOO: "bar", HELLO: "world" } });
    expect(await kubectl("apply -f -", manifest)).toBe(
      "route.elafros.dev/my-service unchanged\nconfiguration.elafros.dev/my-service unchanged\n",
    );
    await kubectl("wait --for=condition=Ready cfg/my-service rev/my-service-00001 --timeout=60s");

    expect(await table("get configurations")).toEqual([
      "NAME LATESTCREATED LATESTREADY READY REASON AGE",
      like(`my-service my-service-00001 my-service-00001 True ${age}`),
    ]);
    const url = `http://my-service.default.mydomain.com:${stage.platform.httpPort}`;
    expect(await table("get routes -o wide")).toEqual([
      "NAME URL READY REASON TRAFFIC AGE",
      like(`my-service ${url} True my-service-00001:100% ${age}`),
    ]);
    expect(await table("get revisions -o wide")).toEqual([
      "NAME CONFIG GENERATION READY REASON ACTUAL DESIRED IMAGE AGE",
      like(`my-service-00001 my-service 1 True 1 1 ${images["gcr.io/..."]} ${age}`),
    ]);
    expect(await table("get pods -o wide")).toEqual([
      "NAME READY STATUS RESTARTS AGE IP REVISION",
      like(String.raw`my-service-00001-\S+ 1/1 Running 0 ${age} \d+\.\d+\.\d+\.\d+ my-service-00001`),
    ]);
  });

  test("patch makes a Revision, as the examples' PATCH does; get -w sees it", async () => {
    const watching = background("kubectl", ["get", "rev", "-w", "--no-headers", "-o", "name"], {
      ...process.env,
      KUBECONFIG: stage.platform.kubeconfig,
    });
    let seen = "";
    watching.stdout?.on("data", (part: Buffer) => (seen += part.toString()));
    try {
      await eventually("the watch has begun", async () => seen.includes("my-service-00001"));
      const patch = join(stage.platform.dataDir, "patch.yaml");
      await writeFile(patch, fill(first.patchConfiguration, { "gcr.io/...": stage.images["app:2"] }));
      expect(await kubectl(`patch configuration my-service --patch-file ${patch}`)).toBe(
        "configuration.elafros.dev/my-service patched\n",
      );
      const latest = "--for=jsonpath={.status.latestReadyRevisionName}=my-service-00002";
      await kubectl(`wait cfg/my-service ${latest} --timeout=60s`);
      await kubectl("wait rt/my-service --for=jsonpath={.status.traffic[0].revisionName}=my-service-00002");
      // The other fields, and the list that merges by name, are as they were.
      expect(await served()).toMatchObject({ version: "2", env: { FOO: "bar", HELLO: "world" } });
      await eventually("the watch tells of it", async () => seen.includes("revision.elafros.dev/my-service-00002\n"));
    } finally {
      watching.kill();
    }
  });

  test("edit changes one environment variable, and the Route moves by patches", async () => {
    await patchRoute(third.pin);
    const editor = join(stage.platform.dataDir, "editor.sh");
    await writeFile(editor, '#!/bin/sh\nexec sed -i "s/value: world/value: blurg/" "$1"\n', { mode: 0o755 });
    const env = { ...process.env, KUBECONFIG: stage.platform.kubeconfig, KUBE_EDITOR: editor };
    expect(await run("kubectl", ["edit", "cfg", "my-service"], { env })).toMatchObject({
      code: 0,
      stdout: "configuration.elafros.dev/my-service edited\n",
    });
    const ready = await eventually("its Revision is made", async () => {
      const result = await stage.platform.kubectl(["wait", "--for=condition=Ready", "rev/my-service-00003"]);
      return result.code === 0 && result.stdout;
    });
    expect(ready).toBe("revision.elafros.dev/my-service-00003 condition met\n");
    expect(await served()).toMatchObject({ env: { HELLO: "world" } }); // the Route pins the one before

    await patchRoute(third.address);
    expect(await served("next.")).toMatchObject({ version: "2", env: { FOO: "bar", HELLO: "blurg" } });
    await patchRoute(third.shift);
    expect(await served()).toMatchObject({ env: { HELLO: "blurg" } });
    await patchRoute(third.finish);
    expect((await table("get rt -o wide"))[1]).toContain("current=my-service-00003:100%,next=my-service-00003:0%");
  });

  test("describe tells what happened, as Events; explain tells what there is", async () => {
    const described = await kubectl("describe cfg my-service");
    expect(described).toMatch(/Latest Ready Revision Name: +my-service-00003/);
    expect(described).toMatch(/Normal +Created .*elafros-controller +Created Revision "my-service-00003"/);
    expect(described).toMatch(/Normal +LatestReadyUpdated .*Revision "my-service-00003" is ready/);
    const route = await kubectl("describe rt my-service");
    expect(route).toMatch(/RolloutComplete .*Every gateway serves 100% my-service-00003, 0% my-service-00003/);
    // The Route came first, so its Configuration may have been missing for a moment; that it then had to start is no trouble.
    expect((route.match(/Warning +\S+/g) ?? []).filter((one) => !one.endsWith(" ConfigurationMissing"))).toEqual([]);
    const explained = await kubectl("explain route.spec.rollout.traffic.percent");
    expect(explained).toContain("FIELD: percent <integer>");
    expect(explained).toContain("all shares together are 100");
    expect(await kubectl("explain cfg.spec.revisionTemplate.spec.container.env.valueFrom")).toContain("secretKeyRef");
  });

  test("logs come from the instances, also from before a crash, which Events and the Pod tell of", async () => {
    const pod = (await kubectl("get pods -l elafros.dev/revision=my-service-00003 -o name")).trim();
    const following = background("kubectl", ["logs", "-f", pod], {
      ...process.env,
      KUBECONFIG: stage.platform.kubeconfig,
    });
    let followed = "";
    following.stdout?.on("data", (part: Buffer) => (followed += part.toString()));
    await eventually("the log begins", async () => followed.includes("Listening on 8080, version 2\n"));
    await stage.platform.ask("my-service.default.mydomain.com", "/log?line=seen-live");
    await eventually("the new line comes", async () => followed.includes("seen-live\n"));
    expect(await kubectl(`logs ${pod} --tail=1`)).toBe("seen-live\n");

    const crash = await stage.platform.ask("my-service.default.mydomain.com", "/?crash=7&line=out-of-luck", {
      method: "POST",
    });
    expect(crash.status, crash.text).toBe(502);
    await eventually("following ends with the instance's run", async () => following.exitCode === 0);
    expect(followed).toMatch(/out-of-luck\n$/);
    await kubectl(`wait --for=condition=Ready ${pod} --timeout=60s`);
    expect(await kubectl(`logs ${pod} --previous --tail=2`)).toBe("seen-live\nout-of-luck\n");
    expect(await kubectl(`logs ${pod}`)).toBe("Listening on 8080, version 2\n");
    expect((await table("get pods"))[1]).toMatch(/ 1\/1 Running 1( \(.* ago\))? /);
    const shown = await kubectl(`describe ${pod}`);
    expect(shown).toMatch(/Last State: +Terminated\n +Reason: +Error\n(.*\n)? +Exit Code: +7/);
    expect(await kubectl("describe rev my-service-00003")).toMatch(/Warning +ExitCode7 .*out-of-luck/);
  });

  test("auth can-i answers, and a token that kubectl makes opens what its role allows", async () => {
    expect(await kubectl("auth can-i delete revisions.elafros.dev")).toBe("yes\n");
    await kubectl("create serviceaccount viewer");
    await kubectl("create rolebinding viewer --clusterrole=view --serviceaccount=default:viewer");
    const token = (await kubectl("create token viewer")).trim();
    // A kubeconfig's certificate would win over --token.
    const server = ["--kubeconfig", "/dev/null", "--server", stage.platform.api, "--insecure-skip-tls-verify"];
    const as = (...args: string[]) => stage.platform.kubectl([...server, "--token", token, ...args]);
    expect(await as("get", "routes", "-o", "name")).toMatchObject({ stdout: "route.elafros.dev/my-service\n" });
    expect(await as("auth", "can-i", "delete", "routes.elafros.dev")).toMatchObject({ code: 1, stdout: "no\n" });
    const refused = await as("delete", "route", "my-service");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'Error from server (Forbidden): routes.elafros.dev "my-service" is forbidden: User "system:serviceaccount:default:viewer" cannot delete resource "routes"',
    );
  });

  test("delete leaves nothing: no Revision, no Pod, no instance", async () => {
    expect(await kubectl("delete route,configuration my-service")).toBe(
      'route.elafros.dev "my-service" deleted\nconfiguration.elafros.dev "my-service" deleted\n',
    );
    await kubectl("wait --for=delete rev,pods --all --timeout=60s");
    expect(await stage.platform.kubectl(["get", "cfg,rt,rev,pods"])).toMatchObject({
      stdout: "",
      stderr: "No resources found in default namespace.\n",
    });
    expect(await readdir(join(stage.platform.dataDir, "instances"))).toEqual([]);
    expect((await stage.platform.ask("my-service.default.mydomain.com")).status).toBe(404);
  });
});

/** Patches the Route with an example's document and waits until the gateways serve it. */
async function patchRoute(document: string): Promise<void> {
  const file = join(stage.platform.dataDir, "route.yaml");
  await writeFile(file, fill(document, names));
  expect(await kubectl(`patch route my-service --patch-file ${file}`)).toBe("route.elafros.dev/my-service patched\n");
  const generation = await kubectl("get route my-service -o jsonpath={.metadata.generation}");
  await kubectl(`wait route/my-service --for=jsonpath={.status.observedGeneration}=${generation}`);
  await kubectl("wait route/my-service --for=condition=RolloutComplete");
}
