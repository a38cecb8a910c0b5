/** Makes this machine ready for instances: their network and the files of their DNS server. Prints what the supervisor needs of it. */
import { createLog } from "../../lib/log.ts";
import { prepareDns } from "../../runtime/oci/dns.ts";
import { createNetwork } from "../../runtime/oci/network.ts";
import { networkOptions } from "../network-options.ts";
import type { Prepared } from "../supervisor/programs.ts";
import { program } from "./input.ts";

program(async (config): Promise<Prepared> => {
  // Places ahead of need are control's to make.
  const network = await createNetwork({ ...networkOptions(config, createLog("prepare")), prepared: 0 });
  const { dataDir, domain } = config;
  const { command, args, port } = await prepareDns({ dataDir, domain, gateway: network.gateway });
  return { bridgeAddress: network.gateway, dns: { command, args }, dnsPort: port };
});
