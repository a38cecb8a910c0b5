/**
 * The first thread's part with certificates: brings what control says to the serving threads, confirms it when all have it, and keeps the
 * whole in one file, so that a gateway can serve HTTPS from its start, also while control is away. The file holds private keys: it is
 * the gateway's own (0600), in a directory that is (0700).
 */
import { readFileSync } from "node:fs";
import type { Log } from "../lib/log.ts";
import type { CertificateUpdate, ServedCertificate } from "../routing/certificates.ts";
import { checkCertificates } from "./check-certificates.ts";
import { writeTableFile } from "./table-file.ts";

export interface CertificateHubOptions {
  threads: number;
  /** Of the file; absent: nothing is kept. */
  path: string | undefined;
  log: Log;
  tellAll(update: CertificateUpdate): void;
  /** All threads have this version. */
  confirm(version: number): void;
}

export class CertificateHub {
  readonly #options: CertificateHubOptions;
  readonly #all = new Map<string, ServedCertificate>();
  readonly #missing = new Map<number, number>();
  #last: CertificateUpdate | undefined;
  #serving = false;
  #saving = false;
  #changed = false;
  #draining = false;

  constructor(options: CertificateHubOptions) {
    this.#options = options;
  }

  /** Reads what was kept; does without where that isn't usable: control sends it. Only for the start: it blocks. */
  begin(): void {
    const { path, log } = this.#options;
    if (path === undefined) return;
    try {
      this.#take(checkCertificates(parse(readFileSync(path, "utf8"))));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT")
        log.error({ error, path }, "Certificates not usable: starting without");
    }
  }

  /** What the threads begin with; undefined before the first. What comes later, they are told. */
  serve(): CertificateUpdate | undefined {
    this.#serving = true;
    return this.#whole();
  }

  /** Control says what there is, or what has changed. */
  fromControl(update: CertificateUpdate): void {
    this.#take(update);
    if (this.#serving) {
      this.#missing.set(update.version, this.#options.threads);
      this.#options.tellAll(update);
    } else this.#options.confirm(update.version);
    this.#changed = true;
    void this.#save();
  }

  /** A thread has the version. */
  fromThread(version: number): void {
    const missing = (this.#missing.get(version) ?? 0) - 1;
    if (missing > 0) {
      this.#missing.set(version, missing);
      return;
    }
    if (this.#missing.delete(version)) this.#options.confirm(version);
  }

  /** From now on the file is the next gateway's. */
  drain(): void {
    this.#draining = true;
  }

  #take(update: CertificateUpdate): void {
    if (update.whole) this.#all.clear();
    for (const id of update.remove) this.#all.delete(id);
    for (const certificate of update.put) this.#all.set(certificate.id, certificate);
    this.#last = update;
  }

  #whole(): CertificateUpdate | undefined {
    if (this.#last === undefined) return undefined;
    return { ...this.#last, whole: true, put: [...this.#all.values()], remove: [] };
  }

  /** One write at a time; what changes meanwhile is in the next. */
  async #save(): Promise<void> {
    const { path, log } = this.#options;
    if (path === undefined || this.#saving) return;
    this.#saving = true;
    while (this.#changed && !this.#draining) {
      this.#changed = false;
      try {
        // What an ACME server looks for is over before the next gateway starts, or said again by control.
        await writeTableFile(path, JSON.stringify({ ...this.#whole(), challenges: [] }));
      } catch (error) {
        log.error({ error, path }, "Certificates not written");
      }
    }
    this.#saving = false;
  }
}

/** As JSON.parse, whose own errors repeat a part of the text: here that may be a key. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("Cannot use the certificates: the file is not valid JSON");
  }
}
