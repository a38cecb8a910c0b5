/** What reconcilers use of this layer, and of the informers below it. */
export { type Informer, keyOf, splitKey, startInformer } from "../client/informer.ts";
export { type Controller, type ControllerDeps, startController } from "./controller.ts";
export { createEventRecorder } from "./events.ts";
export { TerminalError } from "./plan.ts";
