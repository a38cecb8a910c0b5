import type { PlatformConfig } from "../config.ts";

/** Settings given now, else those of the last start, else the defaults. */
export function wholeConfig(
  dataDir: string,
  last: Partial<PlatformConfig> | undefined,
  settings: Partial<PlatformConfig>,
): PlatformConfig {
  return {
    api: "127.0.0.1:6443",
    http: "127.0.0.1:8080",
    https: "none",
    httpsRedirect: false,
    acmeServer: "none",
    acmeEmail: "none",
    acmeCa: "none",
    acmeEabKid: "none",
    acmeEabKey: "none",
    domain: "localhost",
    apiSans: [],
    region: "local",
    allowHostPorts: [],
    verboseErrors: false,
    maxSourceBytes: 512 * 1024 * 1024,
    buildRetentionSeconds: 7 * 24 * 3600,
    fileSources: [],
    accessLog: "none",
    accessLogSampling: 1,
    otlpEndpoint: "none",
    traceSampling: 0.1,
    ...last,
    ...settings,
    dataDir,
  };
}
