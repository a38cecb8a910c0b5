/** The systemd unit that `up --install` writes: one per data directory, so that several installations can start at boot. */
import { execFile } from "node:child_process";
import { access, readFile, rm, writeFile } from "node:fs/promises";
import { promisify } from "node:util";
import { settingsOf } from "./settings.ts";
import type { UpOptions } from "./types.ts";

const run = promisify(execFile);
const unitDirectory = "/etc/systemd/system";
const defaultDataDir = "/var/lib/elafros";

/** Name of the unit of a data directory: `elafros.service` for the default one. */
export function unitName(dataDir: string): string {
  if (dataDir === defaultDataDir) return "elafros.service";
  return `elafros-${dataDir.replaceAll(/[^A-Za-z0-9]+/g, "-").replaceAll(/^-|-$/g, "")}.service`;
}

/** The unit's text. Instances are not the unit's to kill: they outlive control, and `down` stops them in order. */
export function unitText(executable: string, options: UpOptions): string {
  const { dataDir } = options;
  const flags = Object.entries(settingsOf(options)).flatMap(([name, value]) => flagOf(name, value));
  const command = [executable, "up", "--data-dir", dataDir, ...flags].map(quote).join(" ");
  return `# Written by "elafros up --install"; removed by "elafros down --purge".
[Unit]
Description=Elafros serverless containers (${dataDir})
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
ExecStart=${command}
ExecStop=${[executable, "down", "--data-dir", dataDir].map(quote).join(" ")}
KillMode=process
Restart=always
RestartSec=1
TimeoutStopSec=120
Delegate=yes

[Install]
WantedBy=multi-user.target
`;
}

function flagOf(name: string, value: unknown): string[] {
  const flag = {
    api: "--api",
    http: "--http",
    https: "--https",
    httpsRedirect: "--https-redirect",
    acmeServer: "--acme-server",
    acmeEmail: "--acme-email",
    acmeCa: "--acme-ca",
    acmeEabKid: "--acme-eab-kid",
    acmeEabKey: "--acme-eab-key",
    domain: "--domain",
    apiSans: "--api-san",
    region: "--region",
    allowHostPorts: "--allow-host",
    verboseErrors: "--verbose-errors",
    maxBuilds: "--max-builds",
    maxSourceBytes: "--max-source-size",
    buildRetentionSeconds: "--build-retention",
    fileSources: "--allow-file-sources",
    accessLog: "--access-log",
    accessLogSampling: "--access-log-sampling",
    otlpEndpoint: "--otlp-endpoint",
    traceSampling: "--trace-sampling",
  }[name];
  if (flag === undefined) return [];
  if (typeof value === "boolean") return value ? [flag] : [];
  if (Array.isArray(value) && value.length === 0) return [flag, "none"];
  return (Array.isArray(value) ? value : [value]).flatMap((each) => [flag, String(each)]);
}

/** systemd's quoting (systemd.syntax(7)): in double quotes, with `\`, `"`, `%` and `$` escaped. */
function quote(argument: string): string {
  if (/^[A-Za-z0-9@:,./_=-]+$/.test(argument)) return argument;
  return `"${argument
    .replaceAll(/[\\"]/g, String.raw`\$&`)
    .replaceAll("%", "%%")
    .replaceAll("$", "$$$$")}"`;
}

/** Writes the unit, enables and starts it. Throws where this machine has no systemd. */
export async function installUnit(options: UpOptions): Promise<void> {
  if (!(await exists("/run/systemd/system"))) {
    throw new Error('Cannot install a unit: this machine doesn\'t run systemd. Use "elafros up --detach" in its place');
  }
  const name = unitName(options.dataDir);
  const executable = new URL("../../bin/elafros", import.meta.url).pathname;
  await writeFile(`${unitDirectory}/${name}`, unitText(executable, options), { mode: 0o644 });
  await run("systemctl", ["daemon-reload"]);
  await run("systemctl", ["enable", "--now", name]);
  options.print(`Installed and started ${name}: follow it with "journalctl -u ${name} -f"`);
}

/** Removes the unit of a data directory where there is one of ours. */
export async function removeUnit(dataDir: string): Promise<void> {
  const path = `${unitDirectory}/${unitName(dataDir)}`;
  const text = await readFile(path, "utf8").catch(() => "");
  if (!text.startsWith('# Written by "elafros up --install"')) return;
  await run("systemctl", ["disable", unitName(dataDir)]).catch(() => {});
  await rm(path, { force: true });
  await run("systemctl", ["daemon-reload"]).catch(() => {});
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
