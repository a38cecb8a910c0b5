/** What reconcilers use of this layer, and of the informers below it. */
export { type Cache, type CacheChange, type Informer, keyOf, splitKey, startInformer } from "../client/informer.ts";
export { type Controller, type ControllerDeps, startController } from "./controller.ts";
export { createEventRecorder, type EventRecorder } from "./events.ts";
export { type Plan, type PlannedEvent, TerminalError } from "./plan.ts";
