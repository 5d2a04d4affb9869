import type { WhiteoutMark } from "../../layer/extraction/whiteout.ts";
import type { TarHeader } from "../../layer/tar/tar_header.ts";
import {
  childPath,
  cleanPath,
  comparePaths,
  isBelow,
  parentPath,
} from "../../layer/trees/clean_path.ts";
import {
  DEPENDENCY,
  MAX_ENTRY_INDEX_BYTES,
  RECORD_BYTES,
  SUPERSEDED,
  UNDESCRIBED,
} from "./_index_format.ts";

export interface RowEntry {
  /** Number of the entry in the layer. */
  readonly number: number;
  /** Clean path. */
  readonly path: string;
  /** Kind of whiteout, according to its name. */
  readonly kind: WhiteoutMark["kind"];
  readonly header: TarHeader;
}

export interface Row {
  readonly path: string;
  /** `undefined` for a directory without an entry. */
  readonly entry: RowEntry | undefined;
  flags: number;
  /** Number of the first row after those below it. */
  end: number;
  nlink: number;
  /** Row of the file that a hard link names. */
  root: Row | undefined;
  /** Offset of the first entry for the path. */
  first: number;
  /** Offset of the first entry below it. */
  inner: number;
}

/** The rows of an index in the order of a tree walk, and whiteouts. */
export interface ArrangedRows {
  readonly rows: readonly Row[];
  readonly marks: readonly { readonly entry: RowEntry; readonly flags: number }[];
  /**
   * Whether the rows equal the result of extracting the layer alone. They do not if entries replace
   * each other, lead through links or need lower layers.
   */
  readonly isSimple: boolean;
}

/**
 * Sorts the entries of a layer, and adds the directories that have none.
 *
 * @returns The rows; `undefined` if these directories alone would exceed the maximum size of an
 * index: an entry can have two thousand parents.
 */
export function arrangeRows(entries: readonly RowEntry[]): ArrangedRows | undefined {
  const arranger = new RowArranger();
  const compare = (a: RowEntry, b: RowEntry) => comparePaths(a.path, b.path) || a.number - b.number;
  for (const entry of entries.filter(({ kind }) => kind === "none").sort(compare)) {
    arranger.add(entry);
    if (arranger.addedBytes > MAX_ENTRY_INDEX_BYTES) return undefined;
  }
  return arranger.finish(entries.filter(({ kind }) => kind !== "none"));
}

class RowArranger {
  /** Size of the directories without entries in the index. */
  addedBytes = 0;
  readonly #rows: Row[] = [];
  /** The rows of the parents, the root first, and the last row. */
  readonly #open: Row[] = [];
  readonly #links: Row[] = [];
  #isSimple = true;

  add(entry: RowEntry): void {
    const { path, header: { type, offset } } = entry;
    let first = offset;
    for (let last = this.#open.at(-1); last !== undefined; last = this.#open.at(-1)) {
      if (last.path === path) {
        const isAgain = isDirectory(last) && type === "directory";
        if (isAgain) last.flags |= SUPERSEDED;
        else this.#isSimple = false;
        first = Math.min(first, last.first);
      } else if (isBelow(path, last.path)) {
        break;
      }
      this.#close();
    }
    if (path !== "") this.#openParents(parentPath(path));
    const row = newRow(path, entry, 0);
    row.first = first;
    this.#push(row);
    if (type === "hardlink") this.#links.push(row);
  }

  finish(others: readonly RowEntry[]): ArrangedRows {
    while (this.#open.length > 0) this.#close();
    this.#resolveLinks();
    const described = new Map(
      this.#rows.flatMap((row) => {
        return row.entry !== undefined && isDirectory(row) ? [[row.path, row.first]] : [];
      }),
    );
    const marks = others.map((entry) => {
      if (entry.kind === "malformed") this.#isSimple = false;
      const directory = parentPath(entry.path);
      const isDescribed = directory === "" ||
        (described.get(directory) ?? Infinity) < entry.header.offset;
      return { entry, flags: isDescribed ? 0 : DEPENDENCY };
    });
    return { rows: this.#rows, marks, isSimple: this.#isSimple };
  }

  #openParents(directory: string): void {
    const last = this.#open.at(-1);
    if (last !== undefined && !isDirectory(last)) this.#isSimple = false;
    const from = last?.path ?? "";
    if (directory === from) return;
    let path = from;
    for (const name of directory.slice(from === "" ? 0 : from.length + 1).split("/")) {
      path = childPath(path, name);
      this.addedBytes += RECORD_BYTES + path.length;
      this.#push(newRow(path, undefined, UNDESCRIBED | DEPENDENCY));
    }
  }

  #push(row: Row): void {
    this.#rows.push(row);
    this.#open.push(row);
  }

  #close(): void {
    const row = this.#open.pop();
    if (row === undefined) return;
    row.end = this.#rows.length;
    if (row.inner < row.first && row.entry !== undefined && row.path !== "") {
      row.flags |= DEPENDENCY;
    }
    const parent = this.#open.at(-1);
    if (parent !== undefined) parent.inner = Math.min(parent.inner, row.inner, row.first);
  }

  #resolveLinks(): void {
    if (this.#links.length === 0) return;
    const byPath = new Map(this.#rows.map((row) => [row.path, row]));
    this.#links.sort((a, b) => a.first - b.first);
    for (const link of this.#links) {
      const target = byPath.get(cleanPath(link.entry?.header.linkname ?? ""));
      const root = target?.root ?? target;
      const isThere = root !== undefined && !isDirectory(root) && root.first < link.first &&
        root.entry?.header.type !== "hardlink";
      if (!isThere) {
        this.#isSimple = false;
        continue;
      }
      link.root = root;
      root.nlink++;
    }
  }
}

function newRow(path: string, entry: RowEntry | undefined, flags: number): Row {
  const unset = { root: undefined, first: Infinity, inner: Infinity };
  return { path, entry, flags, end: 0, nlink: 1, ...unset };
}

function isDirectory({ entry }: Row): boolean {
  return entry === undefined || entry.header.type === "directory";
}
