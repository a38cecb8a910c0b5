/** What a cluster's API server holds of volumes and their mounts: `src/api/volume.validation.ts`. */
import type { Overlay, Rule } from "./crd-schema.ts";
import { dataKey, dns1123Label, dns1123Subdomain, exactlyOne, orEmpty, quantityAt, relativePath } from "./forms.ts";

const subdomain = orEmpty(dns1123Subdomain.pattern);

function itemRules(path: string): Overlay[] {
  return [
    { at: `${path}[].key`, pattern: dataKey },
    { at: `${path}[].path`, pattern: relativePath },
  ];
}

/** Rules of the volumes at `path`. */
export function volumeRules(path: string): Overlay[] {
  const one = `${path}[]`;
  const source = `${one}.projected.sources[]`;
  return [
    { at: `${one}.name`, pattern: dns1123Label.pattern },
    { at: one, rules: [exactlyOne(["configMap", "emptyDir", "projected", "secret"])] },
    { at: `${one}.secret.secretName`, pattern: subdomain },
    { at: `${one}.configMap.name`, pattern: subdomain },
    ...itemRules(`${one}.secret.items`),
    ...itemRules(`${one}.configMap.items`),
    quantityAt(`${one}.emptyDir.sizeLimit`, "limit"),
    { at: source, rules: [exactlyOne(["configMap", "secret"])] },
    ...["secret", "configMap"].flatMap((name) => [
      { at: `${source}.${name}.name`, pattern: subdomain },
      ...itemRules(`${source}.${name}.items`),
    ]),
  ];
}

/** A rule that what `mounts` mounts is one of the volumes beside it. Both are expressions of CEL. */
export function mountRule(container: string, message: string): Rule {
  return {
    rule: `!has(${container}.volumeMounts) || ${container}.volumeMounts.all(mount, has(self.volumes) && self.volumes.exists(volume, volume.name == mount.name))`,
    message,
  };
}
