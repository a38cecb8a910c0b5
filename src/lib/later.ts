/**
 * Calls back after what is under way and all that it schedules at once: for what nobody waits for, beside something that somebody does.
 * No time passes: two turns of the event loop.
 */
export function later(callback: () => void): void {
  setImmediate(() => void setImmediate(callback));
}
