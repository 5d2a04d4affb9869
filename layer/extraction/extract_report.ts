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
   * Directories that were made because something was in them, before an entry described them: the
   * first 100 000. A layer that stands alone, for an overlay, hides with them what the layers below
   * say of the same directories.
   */
  readonly impliedDirectories: readonly string[];
  /** Those of them of which the layers below say what they are, if anything does. */
  readonly undescribedDirectories: readonly string[];
  /**
   * Those of them that a layer that stands alone has for its whiteouts: it says nothing but that
   * something is hidden in them, so they are to be there only if they are below.
   */
  readonly hidingDirectories: readonly string[];
  /** Whether the root was marked opaque: nothing of any lower layer is to be seen. */
  readonly opaqueRoot: boolean;
  /** Whether a layer has an entry for the root directory, and so describes its metadata. */
  readonly describesRoot: boolean;
}

const MAX_SKIPPED = 10_000;
/** So many directories without an entry of their own are reported. */
export const MAX_IMPLIED_DIRECTORIES = 100_000;

/** Collects an {@linkcode ExtractReport} in bounded memory. */
export class ReportBuilder {
  #entries = 0;
  #bytes = 0;
  readonly #skipped: SkippedEntry[] = [];
  #skippedCount = 0;
  readonly #implied: string[] = [];
  readonly #undescribed = new Set<string>();
  readonly #hiding: string[] = [];
  #opaqueRoot = false;
  #describesRoot = false;

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
    if (this.#implied.length >= MAX_IMPLIED_DIRECTORIES) return;
    this.#implied.push(path);
    this.#undescribed.add(path);
  }

  /** Notes that the layer says what a directory is, whatever is below. */
  describe(path: string): void {
    if (path === "") this.#describesRoot = true;
    if (this.#undescribed.size > 0) this.#undescribed.delete(path);
  }

  /** Notes that a directory has been implied by a whiteout. */
  hideIn(path: string): void {
    if (this.#implied.length < MAX_IMPLIED_DIRECTORIES) this.#hiding.push(path);
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
    const room = MAX_IMPLIED_DIRECTORIES - this.#implied.length;
    this.#implied.push(...report.impliedDirectories.slice(0, room));
    for (const path of report.undescribedDirectories.slice(0, room)) this.#undescribed.add(path);
    this.#hiding.push(...report.hidingDirectories.slice(0, room));
    this.#opaqueRoot ||= report.opaqueRoot;
    this.#describesRoot ||= report.describesRoot;
  }

  build(): ExtractReport {
    return {
      entries: this.#entries,
      bytes: this.#bytes,
      skipped: this.#skipped,
      skippedCount: this.#skippedCount,
      impliedDirectories: this.#implied,
      undescribedDirectories: [...this.#undescribed],
      hidingDirectories: this.#hiding,
      opaqueRoot: this.#opaqueRoot,
      describesRoot: this.#describesRoot,
    };
  }
}
