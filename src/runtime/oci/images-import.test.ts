import { expect, test } from "vitest";
import { builtReference } from "./images-import.ts";

test.each([
  ["app", "localhost/app", "latest", true],
  ["team/app:v2", "localhost/team/app", "v2", true],
  ["localhost/default/app", "localhost/default/app", "latest", true],
  ["localhost:5000/app:v1", "localhost:5000/app", "v1", false],
  ["registry.example.com/team/app", "registry.example.com/team/app", "latest", false],
  ["docker.io/team/app", "docker.io/team/app", "latest", false],
])("builtReference(%j) is %s:%s", (written, name, tag, local) => {
  expect(builtReference(written)).toMatchObject({ name, tag, local });
});

test("builtReference() refuses a name that says what the image would have to be", () => {
  expect(() => builtReference(`app@sha256:${"a".repeat(64)}`)).toThrow(
    "a name with a digest can't be given to a new image",
  );
});
