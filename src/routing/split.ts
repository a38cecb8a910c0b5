/**
 * The exact split: an order of 100 slots in which each target has exactly its percent, spread as evenly as it goes. A gateway
 * walks it with one shared counter, so that in every 100 successive requests each target gets its percent, whatever the start.
 */

/** Slots of a sequence. */
const splitSlots = 100;

/**
 * The target (index into `percents`) of each of 100 slots, by smooth weighted round robin: each slot goes to the target that is
 * furthest behind its share. Any window of 100 of the repeated sequence holds each target exactly `percents[i]` times.
 *
 * @param percents integers 0..100 that total 100; at most 255 of them.
 * @throws RangeError otherwise.
 */
export function splitSequence(percents: readonly number[]): Uint8Array {
  let total = 0;
  for (const percent of percents) {
    if (!Number.isInteger(percent) || percent < 0) {
      throw new RangeError(`Cannot split by ${percent} percent: give whole numbers from 0 to 100`);
    }
    total += percent;
  }
  if (total !== splitSlots) throw new RangeError(`Cannot split by percents that total ${total}: they must total 100`);
  if (percents.length > 255) throw new RangeError(`Cannot split over ${percents.length} targets: at most 255`);

  const sequence = new Uint8Array(splitSlots);
  const behind = percents.map(() => 0);
  for (let slot = 0; slot < splitSlots; slot += 1) {
    let chosen = -1;
    let most = -Infinity;
    for (const [target, percent] of percents.entries()) {
      const credit = (behind[target] ?? 0) + percent;
      behind[target] = credit;
      if (percent > 0 && credit > most) {
        most = credit;
        chosen = target;
      }
    }
    behind[chosen] = (behind[chosen] ?? 0) - splitSlots;
    sequence[slot] = chosen;
  }
  return sequence;
}
