/**
 * A step of a build: the fields of core/v1 Container that make sense for a container that runs to its end. Every other field of core/v1 is
 * refused by name.
 */
import type { Static } from "typebox";
import { envFromSchema, envVarSchema, resourcesSchema, securityContextSchema, volumeMountSchema } from "./container.ts";
import { keyed, list, object, optional, refused, text } from "./meta/fields.ts";

const notYet = "not supported yet";
const runsToEnd = "a step runs to its end and serves nothing";

export const stepSchema = object("A container that runs to its end, in /workspace, with HOME=/builder/home.", {
  name: optional(
    text(
      "Its name, a DNS label, unique in the build; `kubectl logs POD -c NAME` shows its output. Default: step-N.",
      1024,
    ),
  ),
  image: text("The image; a tag is resolved when the step is about to start.", 1024, { minLength: 1 }),
  command: optional(
    list("What runs instead of the image's entry point; no shell.", 256, text("One argument.", 131_072)),
  ),
  args: optional(list("Arguments instead of the image's.", 256, text("One argument.", 131_072))),
  env: optional(keyed("Environment variables.", 1000, "name", envVarSchema)),
  envFrom: optional(list("Secrets and ConfigMaps whose keys become variables; env wins over them.", 64, envFromSchema)),
  workingDir: optional(text("The working directory. Default: /workspace.", 1024)),
  resources: optional(resourcesSchema),
  volumeMounts: optional(keyed("Where volumes appear in the container.", 64, "mountPath", volumeMountSchema)),
  securityContext: optional(securityContextSchema),
  imagePullPolicy: refused("a step's image is asked for each time; name a digest to have the same"),
  ports: refused(runsToEnd),
  livenessProbe: refused(runsToEnd),
  readinessProbe: refused(runsToEnd),
  startupProbe: refused(runsToEnd),
  lifecycle: refused(notYet),
  restartPolicy: refused("a step runs once"),
  restartPolicyRules: refused("a step runs once"),
  resizePolicy: refused(notYet),
  stdin: refused("a step gets its input from /workspace"),
  stdinOnce: refused("a step gets its input from /workspace"),
  tty: refused("a step has no terminal"),
  terminationMessagePath: refused(notYet),
  terminationMessagePolicy: refused(notYet),
  volumeDevices: refused("steps never see the machine's devices"),
});
export type Step = Static<typeof stepSchema>;

/** `steps`, in the order in which they run. */
export const stepsSchema = list("The containers that make the image, one after the other.", 64, stepSchema);

/** The name of the platform's own first step, which fetches the source. */
export const sourceStep = "source";

/** The name of the step at a position. */
export function stepName(step: Step, position: number): string {
  return step.name === undefined || step.name === "" ? `step-${position + 1}` : step.name;
}
