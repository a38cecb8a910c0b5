import { expect, it } from "vitest";
import { parseReference } from "../../runtime/registry/reference.ts";
import { placesIn } from "./mirrors.ts";

const entry = (Prefix: string, Location: string, more: object = {}) => ({
  Prefix,
  Location,
  Blocked: false,
  MirrorByDigestOnly: false,
  Mirrors: null,
  ...more,
});
const mirror = (Location: string, PullFromMirror = "") => ({ Location, PullFromMirror });
const digest = `sha256:${"1".repeat(64)}`;
const registries = [
  entry("docker.io", "docker.io", { Mirrors: [mirror("hub.corp.example:5000/all")] }),
  entry("docker.io/library", "docker.io/library", {
    Mirrors: [mirror("one.example/lib"), mirror("two.example", "digest-only"), mirror("three.example", "tag-only")],
  }),
  entry("old.example/team", "new.example/teams/a"),
  entry("digests.example", "digests.example", { MirrorByDigestOnly: true, Mirrors: [mirror("m.example")] }),
  entry("*.many.example", "many.example/all", { Mirrors: [mirror("m.example/x", "all")] }),
  entry("*.other.example", ""),
];

it.each([
  ["r.example/a:1", ["r.example/a:1"]],
  ["docker.io/grafana/grafana:1", ["hub.corp.example:5000/all/grafana/grafana:1", "docker.io/grafana/grafana:1"]],
  ["nginx", ["one.example/lib/nginx:latest", "three.example/nginx:latest", "docker.io/library/nginx:latest"]],
  [
    `docker.io/library/nginx@${digest}`,
    [`one.example/lib/nginx@${digest}`, `two.example/nginx@${digest}`, `docker.io/library/nginx@${digest}`],
  ],
  ["docker.io/librarya/b:1", ["hub.corp.example:5000/all/librarya/b:1", "docker.io/librarya/b:1"]],
  ["old.example/team/app:1", ["new.example/teams/a/app:1"]],
  ["old.example/teams/app:1", ["old.example/teams/app:1"]],
  ["digests.example/a:1", ["digests.example/a:1"]],
  [`digests.example/a@${digest}`, [`m.example/a@${digest}`, `digests.example/a@${digest}`]],
  ["eu.many.example/a:1", ["m.example/x/a:1", "many.example/all/a:1"]],
  ["many.example/a:1", ["many.example/a:1"]],
  ["x.other.example/a:1", ["x.other.example/a:1"]],
])("placesIn() of %s", (written, expected) => {
  const places = placesIn(registries, parseReference(written));
  const shown = places.map(({ name, tag, digest: exact }) =>
    exact ? `${name}@${exact}` : `${name}:${tag ?? "latest"}`,
  );
  expect(shown).toEqual(expected);
});

it("placesIn() refuses what is blocked, unless a longer prefix isn't", () => {
  const blocking = [entry("r.example", "r.example", { Blocked: true }), entry("r.example/free", "r.example/free")];
  expect(() => placesIn(blocking, parseReference("r.example/a:1"))).toThrow(
    `registry "r.example" is blocked for "r.example/a" by this machine's registries.conf`,
  );
  expect(placesIn(blocking, parseReference("r.example/free/a:1"))).toHaveLength(1);
});
