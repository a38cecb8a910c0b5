/** Downloads over HTTPS or HTTP, bounded in size, time and redirections, checked while they come. */
import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";

import { formatBytes } from "../../lib/bytes.ts";
import { SourceFault } from "../../lib/source/errors.ts";

export interface DownloadOptions {
  /** Where it goes: a path that isn't there yet. */
  file: string;
  maxBytes: number;
  /** The content's digest, 64 hex digits, where it is known beforehand. */
  sha256?: string;
  /** Told of each chunk; may throw. */
  onBytes?: (count: number) => void;
}

const mostRedirects = 5;
/** How long a server may take to answer, and stand still after that. */
export const stallMs = 60_000;

let trusting = false;

/** Node.js knows the public authorities alone: here also those count that this machine's administrator trusts, as they do for git. */
function trustMachine(): void {
  if (trusting) return;
  trusting = true;
  setDefaultCACertificates([...getCACertificates("default"), ...getCACertificates("system")]);
}

/** Gives the SHA-256 of what came, as hex digits. @throws SourceFault */
export async function download(url: string, options: DownloadOptions): Promise<string> {
  if (url.startsWith("https:")) trustMachine();
  const stall = new AbortController();
  let timer = setTimeout(() => stall.abort(), stallMs);
  try {
    const { response, at } = await follow(url, stall.signal);
    const shown = shownAddress(at);
    checkStatus(response, shown);
    const length = Number(response.headers.get("content-length") ?? 0);
    if (length > options.maxBytes) throw tooLarge(shown, options);
    const file = await open(options.file, "wx", 0o600);
    try {
      return await receive(response, file, { ...options, shown, alive: () => void (timer = restart(timer, stall)) });
    } finally {
      await file.close();
    }
  } catch (error) {
    throw toFault(error, { url, stalled: stall.signal.aborted });
  } finally {
    clearTimeout(timer);
  }
}

function restart(timer: NodeJS.Timeout, stall: AbortController): NodeJS.Timeout {
  clearTimeout(timer);
  return setTimeout(() => stall.abort(), stallMs);
}

/** The address as messages may show it: what follows "?" may be a signature that opens it to everybody. */
export function shownAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return JSON.stringify(`${origin}${pathname}`);
}

/** Follows redirections by itself: none leads from HTTPS to HTTP, or to anything else. */
async function follow(url: string, signal: AbortSignal): Promise<{ response: Response; at: string }> {
  let at = url;
  for (let count = 0; count <= mostRedirects; count += 1) {
    const response = await fetch(at, {
      redirect: "manual",
      signal,
      headers: { accept: "*/*", "user-agent": "elafros-fetch" },
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) return { response, at };
    await response.body?.cancel();
    const next = URL.canParse(location, at) ? new URL(location, at) : undefined;
    const secure = next?.protocol === "https:" || (next?.protocol === "http:" && at.startsWith("http:"));
    if (next === undefined || !secure || next.username !== "" || next.password !== "") {
      throw new SourceFault(
        `Source ${shownAddress(at)} redirects to an address that isn't followed (${next?.protocol ?? "none"}//${next?.host ?? ""}): use the address that it really has`,
      );
    }
    next.hash = "";
    at = next.href;
  }
  throw new SourceFault(
    `Source ${shownAddress(url)} redirects more than ${mostRedirects} times: use the address that it really has`,
  );
}

function checkStatus({ status, statusText }: Response, shown: string): void {
  if (status === 200) return;
  if (status === 404 || status === 410) {
    throw new SourceFault(`There is no source ${shown} (HTTP ${status}): correct the location, or upload the source`);
  }
  if (status === 401 || status === 403) {
    throw new SourceFault(
      `Source ${shown} may not be read (HTTP ${status}): make it public, use a signed URL, or upload the source`,
    );
  }
  throw new SourceFault(
    `Source ${shown} can't be downloaded: its server answers HTTP ${status} ${statusText}`.trimEnd(),
  );
}

interface Receiving extends DownloadOptions {
  shown: string;
  /** Called when bytes have come. */
  alive: () => void;
}

async function receive(response: Response, file: FileHandle, options: Receiving): Promise<string> {
  const { shown, maxBytes, sha256, onBytes, alive } = options;
  const hash = createHash("sha256");
  let bytes = 0;
  const body: AsyncIterable<Uint8Array> = response.body ?? (async function* () {})();
  for await (const chunk of body) {
    alive();
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(shown, options);
    onBytes?.(chunk.length);
    hash.update(chunk);
    await file.writeFile(chunk);
  }
  const found = hash.digest("hex");
  if (sha256 === undefined || sha256 === found) return found;
  throw new SourceFault(
    `Source ${shown} has the digest sha256 ${found}, not ${sha256}: it was changed; correct the digest if that was meant`,
  );
}

function tooLarge(shown: string, { maxBytes }: DownloadOptions): SourceFault {
  return new SourceFault(`Source ${shown} has more than ${formatBytes(maxBytes)}, the limit of a source`);
}

/** What went wrong on the way, as a sentence. */
function toFault(error: unknown, { url, stalled }: { url: string; stalled: boolean }): unknown {
  if (error instanceof SourceFault) return error;
  const shown = shownAddress(url);
  if (stalled) {
    return new SourceFault(
      `Source ${shown} can't be downloaded: nothing came for ${stallMs / 1000} seconds; try again when its server answers`,
      { cause: error },
    );
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new SourceFault(
      `Cannot download ${shown}: the disk of the machine is full; free some space there, then build again`,
      { cause: error },
    );
  }
  if (!(error instanceof TypeError)) return error;
  const cause = error.cause as (Error & { code?: string }) | undefined;
  const host = JSON.stringify(new URL(url).host);
  if (cause?.code === "ENOTFOUND" || cause?.code === "EAI_AGAIN") {
    return new SourceFault(`Source ${shown} can't be reached: host ${host} is not known here; correct the location`, {
      cause: error,
    });
  }
  if (/CERT|SIGNATURE|ALTNAME/.test(cause?.code ?? "")) {
    return new SourceFault(
      `Source ${shown} can't be reached safely: the certificate of ${host} is not accepted (${cause?.message ?? ""}); repair it`,
      { cause: error },
    );
  }
  const why = cause?.message === undefined || cause.message === "" ? (cause?.code ?? error.message) : cause.message;
  return new SourceFault(
    `Source ${shown} can't be downloaded (${why}): see that its server runs and this machine may ask it`,
    { cause: error },
  );
}
