/** What an installation was told, read from what is installed. */
import { foreignKind } from "../../api/meta/foreign-kind.ts";
import { isReason } from "../../api/meta/errors.ts";
import type { KubeObject } from "../../api/meta/types.ts";
import { Secret } from "../../api/secret.ts";
import type { Client } from "../../client/client.ts";
import {
  type AcmeInstall,
  acmeSecret,
  type InstallOptions,
  nameOf,
  type Part,
} from "../../kubernetes/manifests/names.ts";

/** What stays where nobody says otherwise: not the image, which is the command's own. */
export type Installed = Partial<
  Pick<
    InstallOptions,
    | "acme"
    | "authorities"
    | "buildRegistry"
    | "buildRegistrySecret"
    | "domain"
    | "https"
    | "httpsRedirect"
    | "stepMemory"
    | "stepMemoryRequest"
  >
>;

interface Deployment extends KubeObject {
  spec?: { template?: { spec?: { containers?: { args?: string[] }[] } } };
}
const Deployment = foreignKind<Deployment>({
  group: "apps",
  version: "v1",
  kind: "Deployment",
  plural: "deployments",
});

/** Reads it; undefined where nothing is installed there. Rejects with ApiError. */
export async function readInstalled(client: Pick<Client, "get">, namespace: string): Promise<Installed | undefined> {
  const argsOf = async (part: Part): Promise<string[] | undefined> => {
    const stored = await optional(client.get(Deployment, { namespace, name: nameOf(part) }));
    return stored && (stored.spec?.template?.spec?.containers?.[0]?.args ?? []);
  };
  const [control, gateway] = await Promise.all([argsOf("controller"), argsOf("gateway")]);
  if (control === undefined) return undefined;
  const domain = valueOf(control, "--domain");
  const server = valueOf(control, "--acme-server");
  return {
    ...(domain === undefined ? {} : { domain }),
    ...buildsOf(control),
    https: control.includes("--https"),
    httpsRedirect: gateway?.includes("--https-redirect") === true,
    ...(server === undefined ? {} : { acme: await acmeOf(client, { namespace, server, args: control }) }),
  };
}

function buildsOf(args: readonly string[]): Installed {
  const flags = {
    authorities: "--authorities",
    buildRegistry: "--build-registry",
    buildRegistrySecret: "--build-registry-secret",
    stepMemory: "--step-memory",
    stepMemoryRequest: "--step-memory-request",
  };
  const told = Object.entries(flags).map(([name, flag]) => [name, valueOf(args, flag)] as const);
  return Object.fromEntries(told.filter(([, value]) => value !== undefined));
}

async function acmeOf(
  client: Pick<Client, "get">,
  { namespace, server, args }: { namespace: string; server: string; args: readonly string[] },
): Promise<AcmeInstall> {
  const secret = await optional(client.get(Secret, { namespace, name: acmeSecret.name }));
  const text = (key: string) => {
    const data = secret?.data?.[key];
    return data === undefined ? undefined : Buffer.from(data, "base64").toString("utf8");
  };
  const [email, eabKid] = [valueOf(args, "--acme-email"), valueOf(args, "--acme-eab-kid")];
  const [ca, eabKey] = [text(acmeSecret.ca), text(acmeSecret.eabKey)];
  return {
    server,
    ...(email === undefined ? {} : { email }),
    ...(ca === undefined ? {} : { ca }),
    ...(eabKid === undefined ? {} : { eabKid }),
    ...(eabKey === undefined ? {} : { eabKey }),
  };
}

function valueOf(args: readonly string[], flag: string): string | undefined {
  const at = args.indexOf(flag);
  return at < 0 ? undefined : args[at + 1];
}

/** The object, undefined where there is none. */
export async function optional<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isReason(error, "NotFound")) return undefined;
    throw error;
  }
}
