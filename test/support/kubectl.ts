/** Which kubectl is on this machine. */
import { execFileSync } from "node:child_process";

/** Whether there is a kubectl of 1.26 or newer on PATH; says why tests are skipped where there is none. */
export function hasKubectl(): boolean {
  let minor = 0;
  try {
    const text = execFileSync("kubectl", ["version", "--client", "-o", "json"], { encoding: "utf8" });
    minor = Number.parseInt((JSON.parse(text) as { clientVersion: { minor: string } }).clientVersion.minor, 10);
  } catch {
    // Told below.
  }
  // oxlint-disable-next-line no-console -- who runs the tests should know why these don't
  if (minor < 26) console.warn("Skipping the kubectl tests: kubectl 1.26 or newer is not on PATH");
  return minor >= 26;
}
