/** The schema of `status.conditions`, the same for every kind. */
import { choice, keyed, object, optional, text, time } from "./fields.ts";

const condition = object("One aspect of the object's state.", {
  type: text("The aspect.", 316),
  status: choice("Whether it holds.", ["True", "False", "Unknown"]),
  reason: optional(text("One word for the cause, for programs.", 1024)),
  message: optional(text("The cause in a sentence, for people.", 32_768)),
  lastTransitionTime: optional(time("When the status last changed.")),
  severity: optional(
    choice("How bad it is when the condition does not hold; absent means Error.", ["Error", "Warning", "Info"]),
  ),
});

/** `status.conditions`: merged by type, stored sorted by type. */
export const conditionsSchema = keyed(
  "The object's state, one entry per aspect, sorted by type.",
  32,
  "type",
  condition,
);
