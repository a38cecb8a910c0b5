import { describe, expect, test } from "vitest";
import { unitName, unitText } from "./systemd.ts";

const print = () => {};

describe("unitName()", () => {
  test("is elafros.service for the default directory, and one per other directory", () => {
    expect(unitName("/var/lib/elafros")).toBe("elafros.service");
    expect(unitName("/srv/team a/elafros")).toBe("elafros-srv-team-a-elafros.service");
  });
});

describe("unitText()", () => {
  test("runs up with the given settings, quoted as systemd reads them", () => {
    const text = unitText("/opt/e/bin/elafros", {
      dataDir: '/srv/50% "x"',
      api: "0.0.0.0:6443",
      apiSans: ["a.example.com", "192.0.2.7"],
      allowHostPorts: [5432],
      verboseErrors: false,
      maxBuilds: 3,
      maxSourceBytes: 1024,
      buildRetentionSeconds: 3600,
      fileSources: ["/srv/git"],
      accessLog: "/var/log/e.log",
      accessLogSampling: 0.5,
      otlpEndpoint: "http://127.0.0.1:4318",
      traceSampling: 1,
      print,
    });
    expect(text).toContain(
      String.raw`ExecStart=/opt/e/bin/elafros up --data-dir "/srv/50%% \"x\"" --api 0.0.0.0:6443 --api-san a.example.com --api-san 192.0.2.7 --allow-host 5432 --access-log /var/log/e.log --access-log-sampling 0.5 --otlp-endpoint http://127.0.0.1:4318 --trace-sampling 1 --max-builds 3 --max-source-size 1024 --build-retention 3600 --allow-file-sources /srv/git`,
    );
    expect(text).toContain("KillMode=process");
    expect(text).not.toContain("--verbose-errors");
  });

  test("says of a list that was emptied that it is empty: up would keep the one before", () => {
    const text = unitText("/bin/elafros", { dataDir: "/d", apiSans: [], allowHostPorts: [], print });
    expect(text).toContain("ExecStart=/bin/elafros up --data-dir /d --api-san none --allow-host none\n");
  });
});
