/** An entry that is missing in the tree, or differs from the layer. */
export interface SkippedEntry {
  /** Name of the entry in the archive. */
  readonly path: string;
  /** Description and cause of the difference. */
  readonly reason: string;
}

/** Result of an extraction. */
export interface ExtractReport {
  /** Number of entries, including whiteouts. */
  readonly entries: number;
  /** Size of the files, including holes, in bytes. */
  readonly bytes: number;
  /** The first 10 000 entries that differ from the layers. */
  readonly skipped: readonly SkippedEntry[];
  /** Number of entries that differ from the layers. */
  readonly skippedCount: number;
  /**
   * The first 100 000 directories that were created for their content, before they had an entry. If
   * the layer was extracted alone, they hide the metadata of the layers below.
   */
  readonly impliedDirectories: readonly string[];
  /** Those of them that never got an entry, and inherit metadata from the layers below. */
  readonly undescribedDirectories: readonly string[];
  /**
   * Those of them that exist only to hold whiteouts of a layer that was extracted alone. They must
   * not exist unless the layers below have them.
   */
  readonly hidingDirectories: readonly string[];
  /** Whether the root is opaque: the layer hides all lower layers. */
  readonly opaqueRoot: boolean;
  /** Whether a layer has an entry for the root directory, and so describes its metadata. */
  readonly describesRoot: boolean;
}

/** Maximum number of skipped entries in a report. */
export const MAX_SKIPPED = 10_000;
/** Maximum number of reported directories without entries. */
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

  /** Records that a directory inherits no metadata from the layers below. */
  describe(path: string): void {
    if (path === "") this.#describesRoot = true;
    if (this.#undescribed.size > 0) this.#undescribed.delete(path);
  }

  /** Records that a directory was created for a whiteout. */
  hideIn(path: string): void {
    if (this.#implied.length < MAX_IMPLIED_DIRECTORIES) this.#hiding.push(path);
  }

  markRootOpaque(): void {
    this.#opaqueRoot = true;
  }

  /** Adds the report of another extraction. */
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
