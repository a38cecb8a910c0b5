/** The Deployment and the headless Service of a workload, as they are applied. Pure. */
import { createHash } from "node:crypto";
import { revisionLabel } from "../../api/labels.ts";
import type { Deployment } from "../kinds/deployment.ts";
import type { Service } from "../kinds/service.ts";
import { makeTemplate, type TemplateInput } from "./make-template.ts";

/** Kubernetes' own default. The Revision's deadline is shorter, and its own. */
const progressDeadlineSeconds = 600;

/**
 * Annotation of a Deployment: the digest of the template that was applied. The server's own may say more, by others or by an earlier template of this Revision, which looking at it can't tell
 * apart; where the digest is another, it is applied again, and what isn't wanted any more goes.
 */
const templateAnnotation = "elafros.dev/template";

/** @param count how many instances */
export function makeDeployment(input: TemplateInput, count: number): Deployment {
  const { key, revision } = input;
  const template = makeTemplate(input);
  const digest = createHash("sha256").update(JSON.stringify(template)).digest("hex").slice(0, 16);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: key.name,
      namespace: key.namespace,
      labels: { [revisionLabel]: key.name },
      annotations: { [templateAnnotation]: digest },
      ownerReferences: [revision.owner],
    },
    spec: {
      replicas: count,
      // A Revision has one template; an earlier one is of no use.
      revisionHistoryLimit: 0,
      progressDeadlineSeconds,
      // Where its references have changed, each old Pod goes once a new one is ready.
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: "25%", maxUnavailable: 0 } },
      selector: { matchLabels: { [revisionLabel]: key.name } },
      template,
    },
  };
}

/** No address of its own: gateways choose among the Pods. It names them for whoever else asks, and brings their EndpointSlices. */
export function makeService({ key, spec, revision }: Omit<TemplateInput, "values" | "cluster">): Service {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: key.name,
      namespace: key.namespace,
      labels: { [revisionLabel]: key.name },
      ownerReferences: [revision.owner],
    },
    spec: {
      clusterIP: "None",
      selector: { [revisionLabel]: key.name },
      ports: [
        {
          name: spec.protocol,
          port: 80,
          targetPort: spec.port,
          protocol: "TCP",
          ...(spec.protocol === "h2c" ? { appProtocol: "kubernetes.io/h2c" } : {}),
        },
      ],
    },
  };
}
