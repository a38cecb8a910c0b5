/** Services with their addresses, and EndpointSlices. */
import { invalid, required } from "../../../../src/api/meta/faults.ts";
import { isObject, type JsonObject } from "../../../../src/apiserver/json.ts";
import { define } from "./define.ts";
import { fill, objectsOf } from "./pod-defaults.ts";
import { keyedBy, open } from "./schema.ts";

let lastAddress = 0;

/** An address that no Service had. */
function nextAddress(): string {
  lastAddress += 1;
  return `10.96.${(lastAddress >> 8) & 255}.${lastAddress & 255}`;
}

export const Service = define({
  kind: "Service",
  plural: "services",
  shortNames: ["svc"],
  categories: ["all"],
  names: { form: "dns1035", max: 63 },
  fields: { spec: open({ ports: keyedBy("port"), selector: open() }), status: open() },
  defaults: (object, { old }) => {
    const spec = isObject(object["spec"]) ? object["spec"] : {};
    object["spec"] = spec;
    for (const port of objectsOf(spec, "ports")) fill(port, { protocol: "TCP", targetPort: port["port"] });
    const before = old as { spec?: JsonObject } | undefined;
    const address = before?.spec?.["clusterIP"] ?? nextAddress();
    fill(spec, { clusterIP: address });
    fill(spec, { clusterIPs: [spec["clusterIP"]], type: "ClusterIP", sessionAffinity: "None" });
    fill(spec, { ipFamilies: ["IPv4"], ipFamilyPolicy: "SingleStack", internalTrafficPolicy: "Cluster" });
    fill(object, { status: { loadBalancer: {} } });
  },
  validate: (object, { old }) => {
    const spec = object["spec"] as JsonObject;
    const before = (old as { spec?: JsonObject } | undefined)?.spec;
    if (before !== undefined && before["clusterIP"] !== spec["clusterIP"]) {
      return [invalid("spec.clusterIPs[0]", [spec["clusterIP"]], "may not change once set")];
    }
    const headless = spec["clusterIP"] === "None";
    return objectsOf(spec, "ports").length === 0 && !headless ? [required("spec.ports")] : [];
  },
});

export const EndpointSlice = define({
  group: "discovery.k8s.io",
  kind: "EndpointSlice",
  plural: "endpointslices",
  hasStatus: false,
  fields: { endpoints: { type: "array", items: open() }, ports: { type: "array", items: open() } },
});
