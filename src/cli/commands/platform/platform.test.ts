import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseOptions, startCli } from "../../../../test/support/cli.ts";
import type { DownOptions, Finding, StatusReport, UpOptions } from "../../../platform/types.ts";
import type { Platform } from "../../platform.ts";
import { kubeconfigCommand, type KubeconfigOptions } from "../kubeconfig/kubeconfig.ts";
import { upCommand, type UpCommandOptions } from "./up.ts";

const report: StatusReport = {
  dataDir: "/d",
  running: true,
  url: "http://127.0.0.1:8080",
  api: "https://127.0.0.1:6443",
  processes: [{ name: "control", pid: 7, since: "2018-01-19T12:14:00Z", version: "0.1.0", running: true }],
  instances: [
    {
      id: "i-1",
      namespace: "default",
      revision: "r-00001",
      phase: "ready",
      since: "2018-01-19T12:15:00Z",
      restarts: 2,
    },
  ],
  problems: ["The disk is full: free some space"],
};

const notHere = () => Promise.reject(new Error("This test makes no stand-ins"));

function recordingPlatform(given: { report?: StatusReport; findings?: Finding[] } = {}) {
  const calls: unknown[] = [];
  const platform: Platform = {
    up: (options: UpOptions) => {
      options.print("ready");
      calls.push(options);
      return Promise.resolve();
    },
    down: (options: DownOptions) => Promise.resolve(void calls.push(options)),
    status: (options) => {
      calls.push(options);
      return Promise.resolve(given.report ?? report);
    },
    trust: (options) => Promise.resolve(void calls.push(options)),
    doctor: () => Promise.resolve(given.findings ?? []),
    upgrade: (options) => {
      calls.push(options);
      options.print("✓ supervisor: 0.1.0 → 0.2.0");
      return Promise.resolve();
    },
    makeStandIns: notHere,
    installOnCluster: notHere,
    uninstallFromCluster: notHere,
    clusterStatus: notHere,
    clusterDoctor: notHere,
    clusterManifests: notHere,
    copyImage: notHere,
    exactImage: notHere,
    userKubeconfig: (options) => {
      calls.push(options);
      return Promise.resolve("kind: Config\n");
    },
  };
  return { platform, calls };
}

describe("trust", () => {
  it.each([
    [[], { remove: false, printCertificate: false }],
    [["--remove"], { remove: true, printCertificate: false }],
    [["--print"], { remove: false, printCertificate: true }],
  ])("trust %j asks the platform for just that", async (flags, expected) => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    expect((await cli.run(["trust", "--data-dir", "/d", ...flags])).code).toBe(0);
    expect(calls).toEqual([expect.objectContaining({ dataDir: "/d", ...expected })]);
  });

  it("trust of a cluster's installation is given a client of it, and where it runs", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    expect((await cli.run(["trust", "--context", "us-central1", "--namespace", "own", "--print"])).code).toBe(0);
    expect(calls).toEqual([
      expect.objectContaining({
        cluster: expect.objectContaining({ server: cli.api.url, namespace: "own" }) as object,
        printCertificate: true,
      }),
    ]);
    expect(calls[0]).not.toHaveProperty("dataDir");
  });

  it("trust refuses a namespace without a cluster", async () => {
    await using cli = await startCli();
    const { code, stderr } = await cli.run(["trust", "--namespace", "own"]);
    expect([code, stderr]).toEqual([
      2,
      'Error: --namespace "own" is for a cluster: name one with --kubeconfig or --context\n',
    ]);
  });

  it("trust refuses to print and remove at once", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    const { code, stderr } = await cli.run(["trust", "--remove", "--print"]);
    expect([code, stderr]).toEqual([2, expect.stringContaining("exclude each other")]);
    expect(calls).toEqual([]);
  });
});

describe("up", () => {
  it("upCommand() takes HTTPS back with none", async () => {
    const argv = [
      "--https",
      "none",
      "--no-https-redirect",
      "--acme-server",
      "none",
      "--acme-email",
      "none",
      "--acme-ca",
      "none",
    ];
    expect(await parseOptions<UpCommandOptions>(upCommand, argv)).toMatchObject({
      https: "none",
      httpsRedirect: false,
      acmeServer: "none",
      acmeEmail: "none",
      acmeCa: "none",
    });
  });

  it("upCommand() takes verbose errors back, and leaves them as they were where nothing is said", async () => {
    const parse = (...argv: string[]) => parseOptions<UpCommandOptions>(upCommand, argv);
    expect((await parse("--no-verbose-errors")).verboseErrors).toBe(false);
    expect((await parse("--detach")).verboseErrors).toBeUndefined();
  });

  it("upCommand() empties a list with none, and takes what comes after it", async () => {
    const argv = "--api-san a --api-san none --allow-host none --allow-host 5432 --allow-file-sources none";
    const { apiSan, allowHost, allowFileSources } = await parseOptions<UpCommandOptions>(upCommand, argv.split(" "));
    expect({ apiSan, allowHost, allowFileSources }).toEqual({ apiSan: [], allowHost: [5432], allowFileSources: [] });
  });

  it("upCommand() reads every setting", async () => {
    const argv =
      "--data-dir /d --api 0.0.0.0:7443 --http [::1]:80 --domain apps.example.com --api-san a --api-san b --region home " +
      "--allow-host 5432 --allow-host 6379 --verbose-errors --max-builds 3 --max-source-size 1Gi --build-retention 24h " +
      "--allow-file-sources /srv/git --allow-file-sources /srv/more --access-log /var/log/e.log --access-log-sampling .5 " +
      "--otlp-endpoint http://127.0.0.1:4318 --trace-sampling 1 --https 0.0.0.0:443 --https-redirect " +
      "--acme-server https://ca.example.com/dir --acme-email a@example.com --acme-ca /etc/ca.pem --acme-eab-kid k1 " +
      "--acme-eab-key /etc/eab --detach --install";
    expect(await parseOptions<UpCommandOptions>(upCommand, argv.split(" "))).toEqual({
      dataDir: "/d",
      api: "0.0.0.0:7443",
      http: "[::1]:80",
      https: "0.0.0.0:443",
      httpsRedirect: true,
      acmeServer: "https://ca.example.com/dir",
      acmeEmail: "a@example.com",
      acmeCa: "/etc/ca.pem",
      acmeEabKid: "k1",
      acmeEabKey: "/etc/eab",
      domain: "apps.example.com",
      apiSan: ["a", "b"],
      region: "home",
      allowHost: [5432, 6379],
      verboseErrors: true,
      maxBuilds: 3,
      maxSourceSize: 1024 ** 3,
      buildRetention: 86_400,
      allowFileSources: ["/srv/git", "/srv/more"],
      accessLog: "/var/log/e.log",
      accessLogSampling: 0.5,
      otlpEndpoint: "http://127.0.0.1:4318",
      traceSampling: 1,
      detach: true,
      install: true,
    });
  });

  it.each([
    [["--api", "6443"], "Give an address and a port"],
    [["--http", "127.0.0.1:70000"], "Give an address and a port"],
    [["--https", "443"], "Give an address and a port"],
    [["--acme-server", "http://ca.example.com/dir"], "Give an https:// URL"],
    [["--acme-email", "a@b.org?x"], "Give one e-mail address"],
    [["--domain", "Apps"], "Give a DNS name in lower case"],
    [["--allow-host", "0"], "Give a port from 1 to 65535."],
    [["--region", "a b"], "Give at most 63 letters"],
    [["--max-builds", "0"], "Give a whole number from 1 to 100."],
    [["--max-source-size", "big"], "Give a quantity of bytes such as 256Mi or 1Gi."],
    [["--access-log-sampling", "2"], "Give a number from 0 to 1, such as 0.05."],
    [["--trace-sampling", "often"], "Give a number from 0 to 1, such as 0.05."],
    [["--otlp-endpoint", "http://user:s3cret@127.0.0.1:4318"], "Give the base URL of a collector"],
    [["--otlp-endpoint", "127.0.0.1:4318"], "Give the base URL of a collector"],
    [["--allow-file-sources", "git"], "Give the absolute path of a directory, such as /srv/git."],
  ])("upCommand() refuses %j", async (argv, message) => {
    await expect(parseOptions<UpCommandOptions>(upCommand, argv)).rejects.toThrow(message);
  });

  it("up gives the platform only the settings that were given", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    const result = await cli.run(["up", "--data-dir", "data", "--api", "127.0.0.1:1"]);
    expect(result).toEqual({ code: 0, stdout: "ready\n", stderr: "" });
    expect(calls).toEqual([
      {
        dataDir: join(cli.cwd, "data"),
        api: "127.0.0.1:1",
        detach: false,
        install: false,
        print: expect.any(Function) as unknown,
      },
    ]);
  });

  it("upgrade passes the data directory, and prints what it is told", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    const result = await cli.run(["upgrade", "--data-dir", "/d"]);
    expect(result).toEqual({ code: 0, stdout: "✓ supervisor: 0.1.0 → 0.2.0\n", stderr: "" });
    expect(calls).toMatchObject([{ dataDir: "/d" }]);
  });

  it("down passes --purge", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    expect((await cli.run(["down", "--purge"])).code).toBe(0);
    expect(calls).toEqual([{ dataDir: "/var/lib/elafros", purge: true, print: expect.any(Function) as unknown }]);
  });
});

describe("status", () => {
  it("status prints processes, instances and problems", async () => {
    await using cli = await startCli(recordingPlatform().platform);
    expect(await cli.run(["status", "--data-dir", "/d"])).toEqual({
      code: 0,
      stderr: "",
      stdout: `Data directory: /d
API:            https://127.0.0.1:6443
Gateway:        http://127.0.0.1:8080

Process   Pid   State     Since   Version
control   7     running   2m      0.1.0

Instance   Namespace   Revision   Phase   Since   Restarts
i-1        default     r-00001    ready   61s     2

Problems:
  The disk is full: free some space
`,
    });
  });

  it("status -o json gives the whole report", async () => {
    await using cli = await startCli(recordingPlatform().platform);
    expect(JSON.parse((await cli.run(["status", "-o", "json"])).stdout)).toEqual(report);
  });

  it("status fails where Elafros doesn't run", async () => {
    await using cli = await startCli(recordingPlatform({ report: { ...report, running: false } }).platform);
    const result = await cli.run(["status"]);
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("Elafros doesn't run on /d: start it with 'elafros up'");
  });
});

describe("doctor", () => {
  const findings: Finding[] = [
    { check: "runc", ok: true, message: "1.1.5", required: true },
    { check: "conmon", ok: false, message: "not found", fix: "apt-get install conmon", required: true },
    { check: "crun", ok: false, message: "not found", required: false },
  ];

  it("doctor marks what is there and says how to get what is missing", async () => {
    await using cli = await startCli(recordingPlatform({ findings }).platform);
    expect(await cli.run(["doctor"])).toEqual({
      code: 1,
      stdout: "✓ runc: 1.1.5\n✗ conmon: not found\n    apt-get install conmon\n! crun: not found\n",
      stderr: "Error: This machine can't run Elafros yet: conmon\n",
    });
  });

  it("doctor succeeds where nothing that is required is missing", async () => {
    const optional = findings.filter((finding) => finding.check !== "conmon");
    await using cli = await startCli(recordingPlatform({ findings: optional }).platform);
    expect((await cli.run(["doctor"])).code).toBe(0);
  });
});

describe("kubeconfig", () => {
  it("kubeconfig prints another person's access, or writes it for its owner alone", async () => {
    const { platform, calls } = recordingPlatform();
    await using cli = await startCli(platform);
    const argv = ["kubeconfig", "--server", "https://192.0.2.1:6443/", "--user", "alice", "--group", "devs"];
    expect((await cli.run(argv)).stdout).toBe("kind: Config\n");
    expect(calls).toEqual([
      { dataDir: "/var/lib/elafros", server: "https://192.0.2.1:6443", user: "alice", groups: ["devs"] },
    ]);
    expect((await cli.run([...argv, "--file", "alice"])).code).toBe(0);
    expect(await readFile(join(cli.cwd, "alice"), "utf8")).toBe("kind: Config\n");
    expect((await stat(join(cli.cwd, "alice"))).mode & 0o777).toBe(0o600);
  });

  it.each([
    [["--user", "a"], "required option '--server <url>' not specified"],
    [["--server", "http://h:1", "--user", "a"], "Give a URL such as https://192.0.2.10:6443."],
    [["--server", "https://h:1", "--user", "system:admin"], "doesn't begin with system:"],
  ])("kubeconfigCommand() refuses %j", async (argv, message) => {
    await expect(parseOptions<KubeconfigOptions>(kubeconfigCommand, argv)).rejects.toThrow(message);
  });
});
