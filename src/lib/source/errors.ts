/** Why a directory or an archive can't be a source: a sentence for whoever gave it, with the way out. */
export class SourceFault extends Error {
  override readonly name = "SourceFault";
}

/** The sentence of a system call that failed on a path of the source. */
export function unreadable(path: string, error: unknown): SourceFault {
  const { code = "" } = error as NodeJS.ErrnoException;
  const quoted = JSON.stringify(path);
  const sentences: Record<string, string> = {
    EACCES: `Cannot read ${quoted} of the source: permission denied; make it readable, or leave it out with a line in .elafrosignore`,
    EPERM: `Cannot read ${quoted} of the source: not permitted; make it readable, or leave it out with a line in .elafrosignore`,
    ENOENT: `Cannot read ${quoted} of the source: it is not there any more; try again when nothing writes there`,
    EMFILE: `Cannot read ${quoted} of the source: this process has too many files open; raise the limit (ulimit -n)`,
  };
  const sentence = sentences[code] ?? `Cannot read ${quoted} of the source: ${(error as Error).message}`;
  return new SourceFault(sentence, { cause: error });
}

/** What begins a sentence. */
export function capitalized(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`;
}
