/** What HTTPS adds to the controllers and the gateways. */
import { createHash } from "node:crypto";
import { acmeDirectory, acmeSecret, type InstallOptions, labelsOf, type Manifest } from "./names.ts";
import type { PodVolume } from "./pods.ts";

/** Where a gateway keeps the keys that it serves with, should its process start again while no controller answers: in memory. */
const servedDirectory = "/var/run/elafros/certificates";

interface Additions {
  args: string[];
  volumes: PodVolume[];
}

/** Of a gateway. */
export function gatewayHttps({ https = false, httpsRedirect = false }: InstallOptions): Additions {
  if (!https) return { args: [], volumes: [] };
  return {
    args: ["--https", ...(httpsRedirect ? ["--https-redirect"] : [])],
    volumes: [
      {
        volume: { name: "certificates", emptyDir: { medium: "Memory", sizeLimit: "128Mi" } },
        mountPath: servedDirectory,
      },
    ],
  };
}

/** Of the controllers: how they are told of an ACME server, and the Secret with what isn't for everybody's eyes. */
export function controllerHttps(
  options: InstallOptions,
): Additions & { objects: Manifest[]; annotations: Record<string, string> } {
  const { https = false, acme } = options;
  if (!https) return { args: [], volumes: [], objects: [], annotations: {} };
  if (acme === undefined) return { args: ["--https"], volumes: [], objects: [], annotations: {} };
  const { server, email, ca, eabKid, eabKey } = acme;
  const file = (key: string) => `${acmeDirectory}/${key}`;
  const args = [
    "--https",
    "--acme-server",
    server,
    ...(email === undefined ? [] : ["--acme-email", email]),
    ...(ca === undefined ? [] : ["--acme-ca", file(acmeSecret.ca)]),
    ...(eabKid === undefined || eabKey === undefined
      ? []
      : ["--acme-eab-kid", eabKid, "--acme-eab-key", file(acmeSecret.eabKey)]),
  ];
  const texts = {
    ...(ca === undefined ? {} : { [acmeSecret.ca]: ca }),
    ...(eabKey === undefined ? {} : { [acmeSecret.eabKey]: eabKey }),
  };
  if (Object.keys(texts).length === 0) return { args, volumes: [], objects: [], annotations: {} };
  const data = Object.fromEntries(
    Object.entries(texts).map(([key, text]) => [key, Buffer.from(text, "utf8").toString("base64")]),
  );
  const metadata = { name: acmeSecret.name, namespace: options.namespace, labels: labelsOf("controller") };
  return {
    args,
    volumes: [
      {
        volume: { name: "acme", secret: { secretName: acmeSecret.name } },
        mountPath: acmeDirectory,
        readOnly: true,
      },
    ],
    objects: [{ apiVersion: "v1", kind: "Secret", metadata, type: "Opaque", data }],
    // They are read when a controller begins to lead.
    annotations: { "elafros.dev/acme": createHash("sha256").update(JSON.stringify(texts)).digest("hex").slice(0, 16) },
  };
}
