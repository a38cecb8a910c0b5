/** How a container is, as in core/v1 ContainerState: of a Pod, and of a step of a build. */
import { integer, object, optional, text, time } from "./meta/fields.ts";

const terminated = object("It ended.", {
  exitCode: integer("Its exit code; 128 and the signal's number where a signal ended it.", 0, 255),
  reason: optional(text("Completed, Error or OOMKilled.", 253)),
  message: optional(text("Its last words.", 4096)),
  startedAt: optional(time("When it started.")),
  finishedAt: optional(time("When it ended.")),
  containerID: optional(text("The process's container.", 253)),
  signal: optional(integer("The signal that ended it.", 0, 128)),
});

/** Exactly one of waiting, running and terminated. */
export const containerState = (description: string) =>
  object(description, {
    waiting: optional(
      object("It doesn't run yet.", {
        reason: optional(text("ContainerCreating, CrashLoopBackOff, ErrImagePull …", 253)),
        message: optional(text("Why.", 4096)),
      }),
    ),
    running: optional(object("It runs.", { startedAt: optional(time("Since when.")) })),
    terminated: optional(terminated),
  });
