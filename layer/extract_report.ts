/** Something of a layer that is not in the tree, or not as the layer has it. */
export interface SkippedEntry {
  /** Name of the entry as it stands in the archive. */
  readonly path: string;
  /** What is missing and why. */
  readonly reason: string;
}

/** What an extraction did. */
export interface ExtractReport {
  /** How many entries the layers had, whiteouts included. */
  readonly entries: number;
  /** How many bytes of files the layers had, holes included. */
  readonly bytes: number;
  /** What was skipped: the first 10 000 cases. */
  readonly skipped: readonly SkippedEntry[];
  /** How many cases there were. */
  readonly skippedCount: number;
  /**
   * Directories that were made because something was in them, without an entry of their own: the
   * first 100 000. A layer that stands alone, for an overlay, hides with them what the layers below
   * say of the same directories.
   */
  readonly impliedDirectories: readonly string[];
  /** Whether the root was marked opaque: nothing of any lower layer is to be seen. */
  readonly opaqueRoot: boolean;
}

const MAX_SKIPPED = 10_000;
const MAX_IMPLIED = 100_000;

/** Collects an {@linkcode ExtractReport} in bounded memory. */
export class ReportBuilder {
  #entries = 0;
  #bytes = 0;
  readonly #skipped: SkippedEntry[] = [];
  #skippedCount = 0;
  readonly #implied: string[] = [];
  #opaqueRoot = false;

  count(): void {
    this.#entries++;
  }

  addBytes(size: number): void {
    this.#bytes += size;
  }

  skip(path: string, reason: string): void {
    this.#skippedCount++;
    if (this.#skipped.length < MAX_SKIPPED) this.#skipped.push({ path, reason });
  }

  imply(path: string): void {
    if (this.#implied.length < MAX_IMPLIED) this.#implied.push(path);
  }

  markRootOpaque(): void {
    this.#opaqueRoot = true;
  }

  /** Adds what another extraction did. */
  add(report: ExtractReport): void {
    this.#entries += report.entries;
    this.#bytes += report.bytes;
    this.#skippedCount += report.skippedCount;
    this.#skipped.push(...report.skipped.slice(0, MAX_SKIPPED - this.#skipped.length));
    this.#implied.push(...report.impliedDirectories.slice(0, MAX_IMPLIED - this.#implied.length));
    this.#opaqueRoot ||= report.opaqueRoot;
  }

  build(): ExtractReport {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      skipped: this.#skipped,
      skippedCount: this.#skippedCount,
      impliedDirectories: this.#implied,
      opaqueRoot: this.#opaqueRoot,
    };
  }
}
