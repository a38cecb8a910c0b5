import { describe, expect, it } from "vitest";
import { parseOptions } from "../../../../test/support/cli.ts";
import { deployCommand, type DeployOptions } from "./deploy.ts";

const defaults: DeployOptions = {
  buildArg: [],
  verbose: false,
  env: [],
  envFile: [],
  secret: [],
  pullSecret: [],
  label: [],
  traffic: true,
  wait: true,
  output: "table",
};

describe("deployCommand", () => {
  it.each<[string[], Partial<DeployOptions>]>([
    [[], {}],
    [
      ["--service", "my-service", "--image", "i:v1", "--region", "us-central1", "-n", "prod"],
      { service: "my-service", image: "i:v1", region: "us-central1", namespace: "prod" },
    ],
    [
      ["--source", "https://example.com/a.git#v2", "--image", "r/i"],
      { source: "https://example.com/a.git#v2", image: "r/i" },
    ],
    [["--function", "index", "--service", "f"], { function: "index", service: "f" }],
    [["--function", "--service", "f"], { function: true, service: "f" }],
    [
      ["--template", "mine/nodejs_24", "--build-arg", "A=b=c", "--build-arg", "_X=", "--verbose"],
      {
        template: "mine/nodejs_24",
        buildArg: [
          { key: "A", value: "b=c" },
          { key: "_X", value: "" },
        ],
        verbose: true,
      },
    ],
    [["--service", "service/my-service"], { service: "my-service" }],
    [
      ["--env", "A=b=c", "--env", "B=", "-e", "C-"],
      { env: [{ key: "A", value: "b=c" }, { key: "B", value: "" }, { key: "C" }] },
    ],
    [["--env-file", "a", "--env-file", "b"], { envFile: ["a", "b"] }],
    [
      ["--secret", "PASSWORD=db:password", "--secret", "/etc/db=db", "--secret", "/etc/key=db:key"],
      {
        secret: [
          { type: "env", name: "PASSWORD", secret: "db", key: "password" },
          { type: "mount", path: "/etc/db", secret: "db" },
          { type: "mount", path: "/etc/key", secret: "db", key: "key" },
        ],
      },
    ],
    [
      ["--secret", "db", "--secret", "A-", "--secret", "/etc/db-"],
      {
        secret: [
          { type: "all", secret: "db" },
          { type: "remove", target: "A" },
          { type: "remove", target: "/etc/db" },
        ],
      },
    ],
    [
      ["--port", "9000", "--cpu", "500m", "--memory", "256Mi", "--concurrency", "0", "--service-account", "app"],
      { port: 9000, cpu: "500m", memory: "256Mi", concurrency: 0, serviceAccount: "app" },
    ],
    [["--protocol", "h2c"], { protocol: "h2c" }],
    [["--timeout", "20", "--wait-timeout", "2m"], { timeout: 20, waitTimeout: 120 }],
    [["--label", "team=shop", "--label", "old-"], { label: [{ key: "team", value: "shop" }, { key: "old" }] }],
    [
      ["--min-scale", "0", "--max-scale", "4", "--annotation", "a.b/c=d=e", "--annotation", "old-"],
      { minScale: 0, maxScale: 4, annotation: [{ key: "a.b/c", value: "d=e" }, { key: "old" }] },
    ],
    [["--no-traffic", "--name", "canary", "--no-wait"], { traffic: false, name: "canary", wait: false }],
    [["--pull-secret", "p", "-o", "json"], { pullSecret: ["p"], output: "json" }],
  ])("deployCommand() reads %j", async (argv, expected) => {
    expect(await parseOptions<DeployOptions>(deployCommand, argv)).toEqual({ ...defaults, ...expected });
  });

  it.each([
    [
      ["--protocol", "grpc"],
      "option '--protocol <protocol>' argument 'grpc' is invalid. Allowed choices are http1, h2c.",
    ],
    [["--port", "0"], "option '--port <port>' argument '0' is invalid. Give a whole number from 1 to 65535."],
    [["--env", "A"], "argument 'A' is invalid. Give NAME=VALUE to set it, or NAME- to remove it."],
    [["--env", "1A=b"], "argument '1A=b' is invalid"],
    [["--service", "My_Service"], "Give at most 50 lower case letters"],
    [["--timeout", "2h"], "Give at most 3600 seconds."],
    [["--timeout", "soon"], "Give seconds, or a duration such as 90s, 5m or 1h."],
    [["--memory", "lots"], "Give a quantity such as 500m, 2, 256Mi or 1Gi."],
    [["--concurrency", "1001"], "Give a whole number from 0 to 1000."],
    [["--secret", "A=db"], "Give NAME=SECRET:KEY"],
    [["--secret", "/etc/../x=db"], "Give NAME=SECRET:KEY"],
    [["--name", "Next"], "Give at most 30 lower case letters"],
    [["--template", "a/b/c"], "Give the name of a build template, or NAMESPACE/NAME"],
    [["--build-arg", "A"], "argument 'A' is invalid. Give NAME=VALUE."],
    [["-o", "wide"], "Allowed choices are table, json, yaml, name."],
    [["--imag", "x"], "Did you mean --image?"],
    [["extra"], "too many arguments"],
  ])("deployCommand() refuses %j with the way out", async (argv, message) => {
    await expect(parseOptions<DeployOptions>(deployCommand, argv)).rejects.toThrow(message);
  });
});
