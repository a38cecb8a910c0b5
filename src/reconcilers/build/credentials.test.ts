import { describe, expect, it } from "vitest";
import type { Secret } from "../../api/secret.ts";
import { makeCredentials } from "./credentials.ts";

function secret(type: string, annotations: Record<string, string>, data: Record<string, string>): Secret {
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s", namespace: "ns", annotations },
    type,
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString("base64")])),
  };
}

const login = { username: "robot", password: "p w" };
const basic = (annotations: Record<string, string>) => secret("kubernetes.io/basic-auth", annotations, login);

describe("makeCredentials()", () => {
  it("gives a login to the git servers and registries that its annotations name", () => {
    const { git, registries, problems } = makeCredentials([
      basic({
        "build.dev/git-0": "https://git.example",
        "build.dev/git-1": "git.example:8443/team/",
        "build.dev/docker-0": "https://registry.example:5000",
        "build.dev/docker-hub": "https://index.docker.io/v1/",
        other: "x",
      }),
    ]);
    expect(git).toEqual([
      { type: "basic", url: "https://git.example", ...login },
      { type: "basic", url: "https://git.example:8443/team", ...login },
    ]);
    expect(registries).toEqual([
      { registry: "registry.example:5000", ...login },
      { registry: "docker.io", ...login },
    ]);
    expect(problems).toEqual([]);
  });

  it.each([
    ["git.example", "git.example"],
    ["git@git.example", "git.example"],
    ["git@git.example:team/app.git", "git.example"],
    ["ssh://git@git.example:2222/team", "git.example:2222"],
    ["git.example:2222", "git.example:2222"],
  ])("gives an ssh key to the host of %s", (annotation, host) => {
    const keys = secret("kubernetes.io/ssh-auth", { "build.dev/git-0": annotation }, { "ssh-privatekey": "KEY" });
    expect(makeCredentials([keys]).git).toEqual([{ type: "ssh", host, privateKey: "KEY" }]);
  });

  it("hands on the authorities that a login's Secret trusts for its server", () => {
    const data = { ...login, "ca.crt": "-----BEGIN CERTIFICATE-----" };
    const [found] = makeCredentials([
      secret("kubernetes.io/basic-auth", { "build.dev/git-0": "git.example" }, data),
    ]).git;
    expect(found).toEqual({ type: "basic", url: "https://git.example", ...login, ca: data["ca.crt"] });
  });

  it("hands on the hosts that an ssh key's Secret knows", () => {
    const data = { "ssh-privatekey": "KEY", known_hosts: "git.example ssh-ed25519 AAAA" };
    const [found] = makeCredentials([secret("kubernetes.io/ssh-auth", { "build.dev/git-0": "git.example" }, data)]).git;
    expect(found).toMatchObject({ knownHosts: data.known_hosts });
  });

  it("takes a docker configuration's own registries, or those of them that an annotation names", () => {
    const config = JSON.stringify({ auths: { "a.example": login, "https://b.example/v2/": login } });
    const docker = (annotations: Record<string, string>) =>
      makeCredentials([secret("kubernetes.io/dockerconfigjson", annotations, { ".dockerconfigjson": config })]);
    expect(docker({}).registries.map(({ registry }) => registry)).toEqual(["a.example", "b.example"]);
    expect(docker({ "build.dev/docker-0": "https://b.example" }).registries).toEqual([
      { registry: "b.example", ...login },
    ]);
    expect(docker({}).git).toEqual([]);
  });

  it("gives nothing of a Secret that isn't for builds", () => {
    expect(makeCredentials([basic({}), secret("Opaque", { "build.dev/git-0": "git.example" }, login)])).toEqual({
      git: [],
      registries: [],
      problems: [],
    });
  });

  it.each(["", "not a host", "ftp://git.example", "https://", "git\nexample"])(
    "says of the annotation %j what it should be",
    (value) => {
      const { git, problems } = makeCredentials([basic({ "build.dev/git-0": value })]);
      expect(git).toEqual([]);
      expect(problems).toEqual([
        `Secret ns/s: annotation build.dev/git-0 must be a URL such as https://git.example.com, or a host: "${value}" is neither`,
      ]);
    },
  );

  it("gives the same credentials once", () => {
    const one = basic({ "build.dev/git-0": "git.example" });
    expect(makeCredentials([one, one]).git).toHaveLength(1);
  });
});
