/** An entry that is missing in the tree, or differs from the layer. */
export interface SkippedEntry {
  /** Name of the entry in the archive. */
  readonly path: string;
  /** Description and cause of the difference. */
  readonly reason: string;
}

/** Result of an extraction. */
export interface ExtractReport {
  /** Number of entries that were read, including whiteouts and those that were left out. */
  readonly entries: number;
  /** Size of the files, including holes, in bytes. */
  readonly bytes: number;
  /** The first 10,000 differences from the layers, of which an entry may have several. */
  readonly skipped: readonly SkippedEntry[];
  /** Number of differences from the layers. */
  readonly skippedCount: number;
  /**
   * The first 100,000 directories that were created to contain other entries, before they had an
   * entry themselves. If the layer was extracted alone, they hide the metadata of the layers below.
   */
  readonly impliedDirectories: readonly string[];
  /** Implied directories that never had an entry, and inherit metadata from the layers below. */
  readonly undescribedDirectories: readonly string[];
  /**
   * Implied directories that only exist to contain whiteouts, if the layer was extracted alone.
   * They must not exist unless the layers below have them.
   */
  readonly hidingDirectories: readonly string[];
  /** Whether the root is opaque: the layer hides all lower layers. */
  readonly opaqueRoot: boolean;
  /** Whether a layer has an entry for the root directory, and so describes its metadata. */
  readonly describesRoot: boolean;
}

/** Maximum number of skipped entries in a report. */
const MAX_SKIPPED = 10_000;
/** Maximum number of reported directories without entries. */
export const MAX_IMPLIED_DIRECTORIES = 100_000;

/** Collects an {@linkcode ExtractReport} in bounded memory. */
export class ReportBuilder {
  readonly #report = {
    entries: 0,
    bytes: 0,
    skipped: [] as SkippedEntry[],
    skippedCount: 0,
    impliedDirectories: [] as string[],
    hidingDirectories: [] as string[],
    opaqueRoot: false,
    describesRoot: false,
  };
  readonly #undescribed = new Set<string>();

  count(): void {
    this.#report.entries++;
  }

  addBytes(size: number): void {
    this.#report.bytes += size;
  }

  skip(path: string, reason: string): void {
    this.#report.skippedCount++;
    if (this.#report.skipped.length < MAX_SKIPPED) this.#report.skipped.push({ path, reason });
  }

  imply(path: string): void {
    if (this.#report.impliedDirectories.length >= MAX_IMPLIED_DIRECTORIES) return;
    this.#report.impliedDirectories.push(path);
    this.#undescribed.add(path);
  }

  /** Records that a directory inherits no metadata from the layers below. */
  describe(path: string): void {
    if (path === "") this.#report.describesRoot = true;
    if (this.#undescribed.size > 0) this.#undescribed.delete(path);
  }

  /** Records that a directory was created for a whiteout. */
  hideIn(path: string): void {
    const { impliedDirectories, hidingDirectories } = this.#report;
    if (impliedDirectories.length < MAX_IMPLIED_DIRECTORIES) hidingDirectories.push(path);
  }

  markRootOpaque(): void {
    this.#report.opaqueRoot = true;
  }

  /** Adds the report of another extraction. */
  add(report: ExtractReport): void {
    const total = this.#report;
    total.entries += report.entries;
    total.bytes += report.bytes;
    total.skippedCount += report.skippedCount;
    append(total.skipped, report.skipped, MAX_SKIPPED);
    const room = MAX_IMPLIED_DIRECTORIES - total.impliedDirectories.length;
    append(total.impliedDirectories, report.impliedDirectories, MAX_IMPLIED_DIRECTORIES);
    for (const path of report.undescribedDirectories.slice(0, room)) this.#undescribed.add(path);
    append(total.hidingDirectories, report.hidingDirectories, MAX_IMPLIED_DIRECTORIES);
    total.opaqueRoot ||= report.opaqueRoot;
    total.describesRoot ||= report.describesRoot;
  }

  build(): ExtractReport {
    return { ...this.#report, undescribedDirectories: [...this.#undescribed] };
  }
}

/** Appends items, up to a maximum number in all. There are too many to be arguments of a call. */
function append<T>(list: T[], items: readonly T[], max: number): void {
  for (const item of items.slice(0, max - list.length)) list.push(item);
}
