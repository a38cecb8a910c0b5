/** Kubeconfig files that this installation gives out. */
import { chmod } from "node:fs/promises";

import { writeFileAtomic } from "../lib/files.ts";
import type { ClientIdentity, KeyPair, Pki } from "./pki.ts";

interface KubeconfigOptions {
  /** `https://host:port`. */
  server: string;
  /** The CA's certificate, PEM. */
  ca: string;
  credentials: KeyPair;
  /** The context's name: the region. */
  region: string;
  user: string;
  namespace?: string;
}

/** The text of a kubeconfig with one cluster, one user and one context, which is the current one. Certificates are inside. */
function renderKubeconfig(options: KubeconfigOptions): string {
  const base64 = (pem: string): string => Buffer.from(pem).toString("base64");
  const { region, user } = options;
  const userName = `${user}@${region}`;
  // A JSON string is a YAML string too.
  const text = JSON.stringify;
  return `apiVersion: v1
kind: Config
clusters:
  - name: ${text(region)}
    cluster:
      server: ${text(options.server)}
      certificate-authority-data: ${base64(options.ca)}
users:
  - name: ${text(userName)}
    user:
      client-certificate-data: ${base64(options.credentials.cert)}
      client-key-data: ${base64(options.credentials.key)}
contexts:
  - name: ${text(region)}
    context:
      cluster: ${text(region)}
      user: ${text(userName)}
      namespace: ${text(options.namespace ?? "default")}
current-context: ${text(region)}
`;
}

/** Writes the administrator's kubeconfig (user `elafros-admin`, group `system:masters`) to `path`, 0600, atomically. */
export async function writeKubeconfig(
  path: string,
  options: { pki: Pki; server: string; region: string },
): Promise<void> {
  const text = await issueKubeconfig({ ...options, user: "elafros-admin", groups: ["system:masters"] });
  await writeFileAtomic(path, text, 0o600);
  await chmod(path, 0o600);
}

/** A kubeconfig for a person: a new client certificate with that name and those groups, valid for a year. */
export async function issueKubeconfig(
  options: ClientIdentity & { pki: Pki; server: string; region: string },
): Promise<string> {
  const { pki, server, region, user, groups } = options;
  const credentials = await pki.issueClient({ user, groups });
  return renderKubeconfig({ server, ca: pki.ca, credentials, region, user });
}
