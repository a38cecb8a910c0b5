/** Writes deploy/kubernetes/elafros.yaml from src/kubernetes/manifests. With `--check` it fails where that file is out of date. */
import { manifests, manifestsYaml } from "../src/kubernetes/manifests/manifests.ts";
import { defaultInstall } from "../src/kubernetes/manifests/names.ts";
import { writeOrCheck } from "./generated-file.ts";

const text = `# Made by \`node scripts/cluster-manifests.ts\`; don't edit it. docs/cluster.md says what it is, and what of it works so far.
${manifestsYaml(manifests(defaultInstall))}`;

await writeOrCheck(new URL("../deploy/kubernetes/elafros.yaml", import.meta.url), text, "scripts/cluster-manifests.ts");
