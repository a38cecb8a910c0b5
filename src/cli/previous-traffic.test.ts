import { describe, expect, it } from "vitest";
import type { Route, TrafficTarget } from "./objects.ts";
import {
  previousTraffic,
  previousTrafficAnnotation,
  rememberTraffic,
  takePreviousTraffic,
} from "./previous-traffic.ts";

function route(traffic: TrafficTarget[]): Route {
  return {
    apiVersion: "elafros.dev/v1alpha1",
    kind: "Route",
    metadata: { name: "my-service" },
    spec: { rollout: { traffic } },
  };
}

const to = (revisionName: string): TrafficTarget[] => [{ revisionName, percent: 100 }];

describe("previousTraffic", () => {
  it("rememberTraffic() keeps the last ten steps, each once", () => {
    const object = route(to("now"));
    for (let step = 0; step < 12; step++) {
      rememberTraffic(object, to(`r${step}`));
      rememberTraffic(object, to(`r${step}`));
    }
    expect(previousTraffic(object).map(([target]) => target?.revisionName)).toEqual(
      Array.from({ length: 10 }, (_, index) => `r${index + 2}`),
    );
  });

  it("takePreviousTraffic() goes back step by step and then has nothing", () => {
    const object = route(to("c"));
    rememberTraffic(object, to("a"));
    rememberTraffic(object, to("b"));
    expect(takePreviousTraffic(object)).toEqual(to("b"));
    expect(takePreviousTraffic(object)).toEqual(to("a"));
    expect(takePreviousTraffic(object)).toBeUndefined();
    expect(object.metadata.annotations).toEqual({});
  });

  it("takePreviousTraffic() skips a step that is what is served now", () => {
    const object = route(to("b"));
    rememberTraffic(object, to("a"));
    rememberTraffic(object, to("b"));
    expect(takePreviousTraffic(object)).toEqual(to("a"));
  });

  it.each(["no json", "{}", '[[{"percent":"x"}]]', "[[]]", "[[null]]"])(
    "previousTraffic() ignores an annotation that isn't its own: %s",
    (text) => {
      const object = route(to("a"));
      object.metadata.annotations = { [previousTrafficAnnotation]: text };
      expect(previousTraffic(object)).toEqual([]);
    },
  );
});
