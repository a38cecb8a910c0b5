/** What a cluster's API server holds of Revisions and of the template that they are made from: `src/api/revision*.validation.ts`. */
import { containerRules } from "./container-rules.ts";
import type { Overlay } from "./crd-schema.ts";
import { dns1123Subdomain, formAt, orEmpty } from "./forms.ts";
import { mountRule, volumeRules } from "./volume-rules.ts";

/** Rules of the spec of a Revision at `path`. */
export function revisionSpecRules(path: string): Overlay[] {
  return [
    ...containerRules(`${path}.container`),
    {
      at: path,
      rules: [
        {
          rule: "!(has(self.concurrencyModel) && self.concurrencyModel == 'SingleThreaded' && has(self.containerConcurrency) && self.containerConcurrency > 1)",
          message:
            "containerConcurrency must be 0 or 1 with concurrencyModel SingleThreaded: leave it out, or use MultiThreaded",
        },
        mountRule("self.container", "container.volumeMounts must name volumes of this spec"),
      ],
    },
    formAt(`${path}.serviceAccountName`, dns1123Subdomain),
    formAt(`${path}.buildName`, dns1123Subdomain),
    { at: `${path}.imagePullSecrets[].name`, pattern: orEmpty(dns1123Subdomain.pattern) },
    ...volumeRules(`${path}.volumes`),
  ];
}

export const revisionRules: readonly Overlay[] = [
  ...revisionSpecRules("spec"),
  {
    at: "spec",
    rules: [
      {
        rule: "self == oldSelf",
        message: "is immutable: change the Configuration, which makes a new Revision",
      },
    ],
  },
];
