/** What pulls leave free of the file system of images, which instances, logs and the platform's own store are on as well. */
import { statfs } from "node:fs/promises";
import { formatBytes } from "../../lib/bytes.ts";
import { ImageError } from "../images.ts";

/** A pull would take, or has taken, more of the disk than there is for it. */
export class NoRoomError extends ImageError {}

/** How often it is looked: far less than the reserve is written in between. */
const everyMs = 100;

export interface DiskRoom {
  /** @throws NoRoomError where there is too little now, or was since it is watched */
  check(): Promise<void>;
  /** The error, for whoever knows that the disk was full. */
  full(): Promise<NoRoomError>;
  /** Watches until the function that comes back is called: `short` is told once, where there gets too little. */
  watch(short: () => void): () => void;
}

/**
 * @param dir on the file system
 * @param reserveBytes what is left free of it; of a small one, the tenth part
 * @param image for messages
 */
export function diskRoom({ dir, reserveBytes }: { dir: string; reserveBytes: number }, image: string): DiskRoom {
  let wasShort = false;
  const look = async () => {
    const { bavail, blocks, bsize } = await statfs(dir);
    const reserve = Math.min(reserveBytes, Math.floor((blocks * bsize) / 10));
    return { reserve, isShort: bavail * bsize < reserve };
  };
  const full = async () => {
    const { reserve } = await look();
    return new NoRoomError(
      `There is no room for image "${image}": pulls leave ${formatBytes(reserve)} of the file system of "${dir}" free; free some on it`,
    );
  };
  return {
    full,
    async check() {
      if (wasShort || (await look()).isShort) throw await full();
    },
    watch(short) {
      let looking = false;
      const timer = setInterval(() => {
        if (looking || wasShort) return;
        looking = true;
        void look()
          .then(({ isShort }) => {
            if (!isShort) return;
            wasShort = true;
            short();
          })
          // The pull that is watched meets the same, and says it.
          .catch(() => {})
          .finally(() => (looking = false));
      }, everyMs);
      timer.unref();
      return () => clearInterval(timer);
    },
  };
}
