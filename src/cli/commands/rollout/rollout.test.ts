import { beforeAll, describe, expect, it } from "vitest";
import { elafrosPath, playControllers, startCli, type CliHarness } from "../../../../test/support/cli.ts";
import type { Route } from "../../objects.ts";

/** Columns without their padding, as the examples came without theirs. */
function rows(text: string): string[] {
  return text
    .trimEnd()
    .split("\n")
    .map((line) => line.trim().split(/ {2,}/).join(" | "));
}

function trafficOf(cli: CliHarness): Route["spec"]["rollout"]["traffic"] | undefined {
  return (cli.api.read(`${elafrosPath}/routes/my-service`) as Route | undefined)?.spec.rollout.traffic;
}

async function twoRevisions(cli: CliHarness): Promise<void> {
  playControllers(cli.api);
  await cli.run(["deploy", "--service", "my-service", "--image", "registry.example/hello:v1", "--env", "HELLO=world"]);
  await cli.run(["deploy"]);
}

describe("rollout", () => {
  beforeAll(() => {
    process.env["TZ"] = "UTC";
  });

  it("rollout plays scenario 3 with the examples' tables", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    expect((await cli.run(["rollout", "strategy", "manual"])).code).toBe(0);
    expect(trafficOf(cli)).toEqual([{ revisionName: "my-service-00002", percent: 100 }]);

    expect((await cli.run(["deploy", "--service", "my-service", "--env", "HELLO=blurg"])).code).toBe(0);
    const before = await cli.run(["revisions", "list", "--service", "my-service"]);
    expect(before.stdout).toBe(`Name      Traffic   Id   Date               Deployer   Git SHA
next      0%        v3   2018-01-19 12:16   user1
current   100%      v2   2018-01-18 20:34   user1
                    v1   2018-01-17 10:32   user1
`);

    expect((await cli.run(["rollout", "next", "percent", "5"])).code).toBe(0);
    expect(trafficOf(cli)).toEqual([
      { revisionName: "my-service-00002", name: "current", percent: 95 },
      { revisionName: "my-service-00003", name: "next", percent: 5 },
    ]);
    const half = await cli.run(["rollout", "next", "percent", "50"]);
    expect(rows(half.stdout)).toEqual([
      "✓ Promoting",
      "Name | Traffic | Id | Revision",
      "current | 50% | v2 | my-service-00002",
      "next | 50% | v3 | my-service-00003",
    ]);
    expect((await cli.run(["rollout", "finish"])).code).toBe(0);
    const after = await cli.run(["revisions", "list", "--service", "my-service"]);
    expect(rows(after.stdout)).toEqual([
      "Name | Traffic | Id | Date | Deployer | Git SHA",
      "current,next | 100% | v3 | 2018-01-19 12:16 | user1",
      "v2 | 2018-01-18 20:34 | user1",
      "v1 | 2018-01-17 10:32 | user1",
    ]);
  });

  it("rollout undo goes back a step at a time, and to the revision before after an automatic deploy", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    const undone = await cli.run(["rollout", "undo"]);
    expect(undone.code).toBe(0);
    expect(undone.stderr).toContain("manual strategy now");
    expect(trafficOf(cli)).toEqual([{ revisionName: "my-service-00001", percent: 100 }]);
    const again = await cli.run(["rollout", "undo"]);
    expect(again.code).toBe(1);
    expect(again.stderr).toContain("no earlier traffic");
  });

  it("rollout next percent names the way out where nothing waits under that name", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    const result = await cli.run(["rollout", "next", "percent", "5"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('no revision waiting under the name "next"');
  });

  it("rollout next percent sets, keeps and removes the guard", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    await cli.run(["rollout", "strategy", "manual"]);
    await cli.run(["deploy", "--service", "my-service", "--env", "HELLO=blurg"]);
    const guard = () => (cli.api.read(`${elafrosPath}/routes/my-service`) as Route | undefined)?.spec.rollout.guard;
    const percent = async (...more: string[]) => cli.run(["rollout", "next", "percent", "5", ...more]);
    const alone = await percent("--guard-window", "30s");
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("add --guard-errors or --guard-p95")]);
    expect((await percent("--guard-errors", "1")).code).toBe(0);
    expect(guard()).toEqual({ errorPercent: 1 });
    expect((await percent("--guard-p95", "300", "--guard-window", "30s")).code).toBe(0);
    expect(guard()).toEqual({ errorPercent: 1, p95Milliseconds: 300, window: "30s" });
    expect((await percent()).code).toBe(0);
    expect(guard()).toEqual({ errorPercent: 1, p95Milliseconds: 300, window: "30s" });
    const both = await percent("--no-guard", "--guard-errors", "1");
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("Cannot use --no-guard with --guard-errors")]);
    expect((await percent("--no-guard")).code).toBe(0);
    expect(guard()).toBeUndefined();
  });

  it("rollout fails with the guard's words where it has taken traffic back, and status tells of it", async () => {
    await using cli = await startCli();
    const routes = `${elafrosPath}/routes`;
    const target = (revisionName: string, name: string, percent: number) => ({ revisionName, name, percent });
    const message = 'Revision "my-service-00002" did worse than spec.rollout.guard allows';
    cli.api.put(routes, {
      apiVersion: "elafros.dev/v1alpha1",
      kind: "Route",
      metadata: { name: "my-service", namespace: "default", generation: 1 },
      spec: {
        rollout: { traffic: [target("my-service-00001", "current", 100), target("my-service-00002", "next", 0)] },
      },
    });
    cli.api.onWrite((path, { metadata: { generation = 0 } }) => {
      const route = cli.api.read(path);
      if (route === undefined) return;
      const trippedAt = "2018-01-19T12:20:00Z";
      cli.api.put(routes, {
        ...route,
        status: {
          observedGeneration: generation,
          traffic: [{ revisionName: "my-service-00001", percent: 100 }],
          guard: [{ to: "my-service-00002", from: "my-service-00001", startedAt: trippedAt, trippedAt, generation }],
          conditions: [{ type: "RolloutComplete", status: "False", reason: "GuardTripped", message }],
        },
      });
    });
    const result = await cli.run(["rollout", "next", "percent", "5", "--guard-errors", "1", "--service", "my-service"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain(`The guard of service "my-service" has taken traffic back: ${message}`);
    const status = await cli.run(["rollout", "status", "--service", "my-service"]);
    expect(status.stdout).toContain(`Rollout: taken back (GuardTripped: ${message})\n`);
    expect(status.stdout).toContain(
      "Guard: errors over 1% within 1m; took traffic back from my-service-00002 to my-service-00001 at 2018-01-19T12:20:00Z\n",
    );
  });

  it("rollout next percent refuses what is no percentage", async () => {
    await using cli = await startCli();
    const result = await cli.run(["rollout", "next", "percent", "101"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("Give a whole number from 0 to 100");
  });

  it("rollout strategy says so where nothing changes", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    const result = await cli.run(["rollout", "strategy", "automatic"]);
    expect(result.code).toBe(0);
    expect(result.stderr).toBe("Service [my-service] has the automatic strategy already.\n");
  });

  it("rollout status shows strategy, progress and traffic", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    const result = await cli.run(["rollout", "status"]);
    expect(result.stdout).toBe(`Service [my-service] at https://my-service.default.mydomain.com
Strategy: automatic
Rollout: complete
Name   Traffic   Id   Revision
       100%      v2   my-service-00002
`);
  });

  it("rollout tries again from fresh state where somebody else wrote first", async () => {
    await using cli = await startCli();
    await twoRevisions(cli);
    let conflicts = 0;
    cli.api.intercept((request) => {
      if (request.method !== "PATCH" || conflicts === 2) return undefined;
      conflicts += 1;
      return {
        status: 409,
        body: {
          kind: "Status",
          apiVersion: "v1",
          status: "Failure",
          reason: "Conflict",
          code: 409,
          message: "modified",
        },
      };
    });
    expect((await cli.run(["rollout", "strategy", "manual"])).code).toBe(0);
    expect(conflicts).toBe(2);
    expect(trafficOf(cli)).toEqual([{ revisionName: "my-service-00002", percent: 100 }]);
  });
});
