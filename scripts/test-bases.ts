/** Makes the base images that builds of tests stand on, which takes half a minute once a day and comes over the network: two of the three runs of `npm test` have none. */
import { standIns } from "../test/support/stand-ins.ts";

await standIns();
