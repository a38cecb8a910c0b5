import { describe, expect, test } from "vitest";
import type { BuildTemplate } from "../../api/build-template.ts";
import type { ConfigMap } from "../../api/config-map.ts";
import { substitute } from "../../reconcilers/build/substitute.ts";
import { parseOptions } from "../../runtime/builder/options.ts";
import { baseImagesOf, makeBaseImages, officialBaseImages } from "./base-images.ts";
import { planTemplates } from "./plan.ts";
import { makeTemplates, shippedLabel } from "./templates.ts";

const templates = makeTemplates(officialBaseImages);
const named = (name: string) => templates.find(({ metadata }) => metadata.name === name);

describe("makeTemplates()", () => {
  test("makes those that the specification names, and names without a version", () => {
    expect(templates.map(({ metadata }) => metadata.name)).toEqual([
      "dockerfile",
      "nodejs-24",
      "python-3",
      "go-1",
      "static",
      "nodejs-24-fn",
      "python-3-fn",
      "go-1-fn",
      "nodejs",
      "python",
      "go",
      "nodejs-fn",
      "python-fn",
      "go-fn",
      "nodejs-8-9-4",
      "go-1-9-fn",
    ]);
  });

  test.each(templates.map((template) => [template.metadata.name, template] as const))(
    "%s says to the builder what the builder knows, with no argument given",
    (_name, template) => {
      const values = new Map((template.spec.parameters ?? []).map(({ name, default: value = "" }) => [name, value]));
      const args = (template.spec.steps[0]?.args ?? []).map((arg) => substitute(arg, values));
      expect(args.join(" ")).not.toContain("${");
      expect(() => parseOptions(args)).not.toThrow();
    },
  );

  test("names the images that must be at hand", () => {
    expect(named("nodejs-24")?.metadata.annotations?.["build.dev/base-images"]).toBe("${_BUILD_BASE},${_RUN_BASE}");
    expect(named("static")?.metadata.annotations?.["build.dev/base-images"]).toBe("${_RUN_BASE}");
    // Which ones a Dockerfile takes is known when it is read.
    expect(named("dockerfile")?.metadata.annotations).not.toHaveProperty(["build.dev/base-images"]);
    expect(named("dockerfile")?.spec.steps[0]?.args).toContain(`--offer=GO_RUN=${officialBaseImages["go-run"]}`);
  });

  test("tells who asks for an old version what is used", () => {
    expect(named("nodejs-8-9-4")?.metadata.annotations?.["build.dev/notice"]).toMatch(/nodejs-24 is used/u);
    expect(named("go-1-9-fn")?.spec).toEqual(named("go-1-fn")?.spec);
  });
});

describe("baseImagesOf()", () => {
  test("takes the official image for what is left out or empty", () => {
    const configMap = {
      metadata: { name: "base-images" },
      data: { "node-run": " mine:1 ", "go-run": "" },
    } as unknown as ConfigMap;
    expect(baseImagesOf(configMap)).toEqual({ ...officialBaseImages, "node-run": "mine:1" });
  });
});

describe("planTemplates()", () => {
  const baseImages = makeBaseImages();

  test("makes everything at the first start", () => {
    const actions = planTemplates(undefined, []);
    expect(actions.map((action) => action.do)).toEqual(["create-base-images", ...templates.map(() => "create")]);
  });

  test("does nothing where everything is as it should be, whatever stands beside it", () => {
    const own = {
      ...structuredClone(templates[0]),
      metadata: { name: "mine", namespace: "build-templates" },
    } as BuildTemplate;
    const labelled = templates.map((template) => {
      const { metadata, ...rest } = structuredClone(template);
      return { ...rest, metadata: { ...metadata, labels: { ...metadata.labels, team: "a" } } };
    });
    expect(planTemplates(baseImages, [...labelled, own])).toEqual([]);
  });

  test("renders anew what stands on an image that changed, and nothing else", () => {
    const changed = { ...baseImages, data: { ...baseImages.data, "python-run": "mine" } };
    const names = planTemplates(changed, templates).map((action) =>
      action.do === "update" ? action.object.metadata.name : action.do,
    );
    expect(names).toEqual(["dockerfile", "python-3", "python-3-fn", "python", "python-fn"]);
  });

  test("mends what somebody changed, and keeps what they put beside it", () => {
    const present = structuredClone(templates);
    const [first] = present;
    if (first === undefined) throw new Error("There is no template");
    first.metadata = { ...first.metadata, labels: { team: "a" }, resourceVersion: "7" };
    first.spec = { ...first.spec, parameters: [] };
    const [action, ...more] = planTemplates(baseImages, present);
    expect(more).toEqual([]);
    expect(action).toMatchObject({
      do: "update",
      object: {
        metadata: { resourceVersion: "7", labels: { team: "a", [shippedLabel]: "true" } },
        spec: templates[0]?.spec,
      },
    });
  });

  test("removes what isn't shipped any more, and leaves what never was", () => {
    const old = structuredClone(templates[1]);
    if (old === undefined) throw new Error("There is no template");
    old.metadata.name = "nodejs-22";
    const own = structuredClone(old);
    own.metadata = { name: "own" };
    expect(planTemplates(baseImages, [...templates, old, own])).toEqual([{ do: "delete", name: "nodejs-22" }]);
  });
});
