import type { PlatformConfig } from "./config.ts";
import type { UpOptions } from "./types.ts";

/** The settings among the options that were given, without what only the command itself uses. */
export function settingsOf(options: UpOptions): Partial<PlatformConfig> {
  const { api, http, https, httpsRedirect, domain, apiSans, region, allowHostPorts, verboseErrors } = options;
  const { maxBuilds, maxSourceBytes, buildRetentionSeconds, fileSources } = options;
  const { accessLog, accessLogSampling, otlpEndpoint, traceSampling } = options;
  const seen = { accessLog, accessLogSampling, otlpEndpoint, traceSampling };
  const { acmeServer, acmeEmail, acmeCa, acmeEabKid, acmeEabKey } = options;
  const network = { api, http, domain, apiSans, region, allowHostPorts, verboseErrors };
  const secure = { https, httpsRedirect, acmeServer, acmeEmail, acmeCa, acmeEabKid, acmeEabKey };
  const settings = { ...network, ...secure, ...seen, maxBuilds, maxSourceBytes, buildRetentionSeconds, fileSources };
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}

/** Throws where this process isn't root's, naming the way out. */
export function requireRoot(command: string): void {
  if (process.getuid?.() === 0) return;
  throw new Error(
    `"elafros ${command}" needs root, for containers, networks and mounts: run it as "sudo elafros ${command}"`,
  );
}
