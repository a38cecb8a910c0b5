/** Makes this machine ready for instances: their bridge and the files of their DNS server. Prints what the supervisor needs of it. */
import { prepareDns } from "../../runtime/oci/dns.ts";
import { prepareNetwork } from "../../runtime/oci/network.ts";
import type { Prepared } from "../supervisor/programs.ts";
import { program } from "./input.ts";

program(async ({ dataDir, domain }): Promise<Prepared> => {
  const { gateway } = await prepareNetwork({ dataDir });
  const { command, args } = await prepareDns({ dataDir, domain, gateway });
  return { bridgeAddress: gateway, dns: { command, args } };
});
