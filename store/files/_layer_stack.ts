import { childPath } from "../../layer/trees/clean_path.ts";
import { linkFreePaths } from "../../layer/trees/link_free_paths.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import type { LayerListing, ListedEntry } from "../entries/layer_listing.ts";
import { hides, type LayerMarks } from "../entries/layer_marks.ts";
import { followPath } from "../host/follow_path.ts";

/** An entry of an image, in the layer that it comes from. */
export interface FoundEntry {
  /** Number of the layer, counted from the base. */
  readonly layer: number;
  /** Path of the entry, without symlinks. */
  readonly path: string;
  readonly entry: ListedEntry;
  /** Number of its names in the image; other layers may hide some. */
  readonly nlink?: number | undefined;
}

/** An entry, and the directories of the layers that it merges, the top one first. */
interface WalkedEntry extends FoundEntry {
  readonly parts: readonly FoundEntry[];
}

/** What the layers up to one of them have at a path. */
interface KnownEntry {
  readonly top: number;
  readonly found: FoundEntry | undefined;
}

/** The remaining work of a check whether the dependencies of a layer are free of links. */
interface PendingDependencies {
  /** Index of the next dependency. */
  next: number;
  /** Whether a path is free of links in the layers below. */
  readonly lower: (path: string) => boolean;
  /** Whether a path is free of links in the layer. */
  readonly own: (path: string) => boolean;
}

/** Maximum number of {@linkcode KnownEntry known entries}. */
const MAX_KNOWN = 100_000;

/** Thrown when a layer must be listed before a lookup can continue. */
class UnlistedLayer {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** Thrown when other tasks must get a turn before a lookup can continue. */
class TurnOver {}

/** Thrown when only an extraction of all layers over each other shows the files of the image. */
class EntangledLayer {}

/**
 * Looks up paths in the layers of an image, from the top one down. Lists only as many layers as it
 * needs.
 *
 * The result equals an extraction of all layers as long as the parents of each entry are
 * directories. If a layer does not describe a parent, that parent may be a link in a lower layer, so
 * the lookup continues there to find its type.
 */
export class LayerStack {
  readonly #list: (index: number) => Promise<LayerListing | undefined>;
  readonly #top: number;
  readonly #signal: AbortSignal | undefined;
  readonly #turn = new WorkTurn();
  /** `undefined` stands for a layer that cannot be listed by itself. */
  readonly #listings = new Map<number, LayerListing | undefined>();
  /** Layers whose entries are at their own paths, not behind links in lower layers. */
  readonly #plain = new Set<number>();
  /** Dependencies of layers that still have to be looked up, and how. */
  readonly #pending = new Map<number, PendingDependencies>();
  /** Entries that layers depend on, so that not every layer searches all layers below it. */
  readonly #known = new Map<string, KnownEntry>();
  /** Number of names of files with several, by layer and inode. */
  readonly #nameCounts = new Map<string, number>();

  /**
   * Creates a view of layers.
   *
   * @param list Called to list a layer; `undefined` if that requires the layers below it.
   * @param signal Aborts lookups.
   */
  constructor(
    count: number,
    list: (index: number) => Promise<LayerListing | undefined>,
    signal?: AbortSignal,
  ) {
    this.#top = count - 1;
    this.#list = list;
    this.#signal = signal;
  }

  /**
   * Finds the entry at a path, and follows symlinks in it.
   *
   * @param path The path, from the root of the image.
   * @param followLast Whether to follow a symlink at the end of the path.
   * @returns The entry; `undefined` if the image has none; `"unknown"` if that requires an extraction
   * of all layers over each other.
   */
  async find(path: string, followLast: boolean): Promise<FoundEntry | undefined | "unknown"> {
    return await this.#look(() => {
      const { real } = followPath(
        {
          status: (path) => this.#at(this.#top, path)?.entry.status(),
          readLink: (path) => this.#at(this.#top, path)?.entry.target ?? "",
        },
        path,
        { followLast },
      );
      const found = real === undefined ? undefined : this.#at(this.#top, real);
      return found && { ...found, nlink: this.#countNames(found) };
    });
  }

  /**
   * Walks through everything below a directory, each directory before its entries, with names in
   * the order of their code units. Lists all layers first.
   *
   * @param path Path of a directory that {@linkcode LayerStack.find} has found.
   * @returns The entries; `"unknown"` if that requires an extraction of all layers.
   */
  async walk(path: string): Promise<Iterable<FoundEntry> | "unknown"> {
    const parts = await this.#look(() => {
      const parts: FoundEntry[] = [];
      for (let layer = this.#top; layer >= 0; layer--) {
        const listing = this.#plainListing(layer);
        const entry = listing.at(path);
        if (entry !== undefined && entry.type !== "directory") break;
        if (entry !== undefined) parts.push({ layer, path, entry });
        if (listing.marks.isOpaque(path) || hides(listing, path)) break;
      }
      return parts;
    });
    return parts === "unknown" ? parts : this.#walk(parts);
  }

  /** Repeats a lookup until all layers that it needs have been listed. */
  async #look<T>(lookUp: () => T): Promise<T | "unknown"> {
    for (;;) {
      try {
        return lookUp();
      } catch (thrown) {
        if (thrown instanceof EntangledLayer) return "unknown";
        if (thrown instanceof TurnOver) {
          await this.#turn.next(this.#signal);
          continue;
        }
        if (!(thrown instanceof UnlistedLayer)) throw thrown;
        this.#listings.set(thrown.index, await this.#list(thrown.index));
      }
    }
  }

  /**
   * Returns the entry of the layers up to `top` at a path whose parents are not links.
   *
   * @param known The result for another layer.
   */
  #at(top: number, path: string, known?: KnownEntry): FoundEntry | undefined {
    for (let layer = top; layer >= 0; layer--) {
      if (layer === known?.top) return known.found;
      const listing = this.#plainListing(layer);
      const entry = listing.at(path);
      // A layer that does not describe the root inherits that of a lower layer.
      if (path === "" && entry?.isUndescribed && layer > 0) continue;
      if (entry !== undefined) {
        const found = { layer, path, entry };
        if (!entry.isUndescribed || layer === 0 || hides(listing, path)) return found;
        const lower = this.#at(layer - 1, path, known);
        return lower?.entry.type === "directory" ? lower : found;
      }
      if (hides(listing, path)) return undefined;
    }
    return undefined;
  }

  /** Returns the listing of a layer whose entries are at their own paths. */
  #plainListing(layer: number): LayerListing {
    if (!this.#listings.has(layer)) throw new UnlistedLayer(layer);
    const listing = this.#listings.get(layer);
    if (listing === undefined) throw new EntangledLayer();
    if (!this.#plain.has(layer)) {
      const isEntangled = layer > 0 && !this.#leadsThroughDirectories(layer, listing);
      if (isEntangled) throw new EntangledLayer();
      this.#plain.add(layer);
    }
    return listing;
  }

  /** Whether each parent of an entry is a directory, or missing, in this layer and those below it. */
  #leadsThroughDirectories(layer: number, listing: LayerListing): boolean {
    const pending = this.#pending.getOrInsertComputed(layer, () => ({
      next: 0,
      lower: linkFreePaths((path) => this.#below(layer, path)?.entry.type),
      own: linkFreePaths((path) => listing.at(path)?.type),
    }));
    const { dependencies } = listing;
    for (; pending.next < dependencies.length; pending.next++) {
      // The lookup then continues here.
      if (this.#turn.isOver()) throw new TurnOver();
      const path = dependencies[pending.next] ?? "";
      if (!pending.lower(path) || !pending.own(path)) return false;
    }
    this.#pending.delete(layer);
    return true;
  }

  /** Returns the entry of the layers below a layer at a path. */
  #below(layer: number, path: string): FoundEntry | undefined {
    const top = layer - 1;
    const found = this.#at(top, path, this.#known.get(path));
    if (this.#known.size >= MAX_KNOWN) this.#known.clear();
    this.#known.set(path, { top, found });
    return found;
  }

  *#walk(parts: readonly FoundEntry[]): Generator<FoundEntry, void, void> {
    const open = [this.#entriesOf(parts)];
    for (let last = open.at(-1); last !== undefined; last = open.at(-1)) {
      const { done, value } = last.next();
      if (done) {
        open.pop();
        continue;
      }
      yield { ...value, nlink: this.#countNames(value) };
      if (value.parts.length > 0) open.push(this.#entriesOf(value.parts));
    }
  }

  /** Counts the names of a file that no other layer hides. */
  #countNames({ layer, entry }: FoundEntry): number {
    if (entry.nlink === 1 || this.#top === 0) return entry.nlink;
    const { ino } = entry.status();
    // A file can have a million names: count them once rather than for each.
    return this.#nameCounts.getOrInsertComputed(`${layer}:${ino}`, () => {
      return entry.names().filter((path) => {
        const found = this.#at(this.#top, path);
        return found?.layer === layer && found.entry.status().ino === ino;
      }).length;
    });
  }

  /** Returns the entries of a directory of the image, sorted by name. */
  *#entriesOf(parts: readonly FoundEntry[]): Generator<WalkedEntry, void, void> {
    const found = new Map<string, { first: FoundEntry; parts: FoundEntry[]; isOpen: boolean }>();
    const removed = new Set<string>();
    for (const { layer, path: directory, entry: part } of parts) {
      const marks = this.#marksAbove(layer, directory);
      for (const [name, entry] of part.children()) {
        const path = childPath(directory, name);
        const inner = { layer, path, entry };
        const at = found.get(name);
        if (removed.has(name) || at?.isOpen === false) continue;
        const isRemoved = marks.some((marks) => marks.removes(path));
        // A directory of a lower layer adds its entries, unless something between hides them.
        const isOpen = entry.type === "directory" && !isRemoved &&
          !marks.some((marks) => marks.isOpaque(path));
        if (at !== undefined) {
          at.isOpen = isOpen;
          if (isOpen) at.parts.push(inner);
        } else if (isRemoved) removed.add(name);
        else found.set(name, { first: inner, parts: isOpen ? [inner] : [], isOpen });
      }
    }
    // A directory can have a million entries: complete one at a time.
    for (const [, { first, parts }] of [...found].sort(([a], [b]) => a < b ? -1 : 1)) {
      // A directory that its layer does not describe has the metadata of a lower layer.
      const described = parts.find(({ entry }) => !entry.isUndescribed) ?? parts.at(-1) ?? first;
      const shown = first.entry.isUndescribed ? described : first;
      yield { ...shown, parts };
    }
  }

  /** Returns the marks of the layers above a layer that are at entries of a directory. */
  #marksAbove(layer: number, directory: string): readonly LayerMarks[] {
    const marks: LayerMarks[] = [];
    for (let above = layer + 1; above <= this.#top; above++) {
      const listing = this.#listings.get(above);
      if (listing?.marks.areIn(directory)) marks.push(listing.marks);
    }
    return marks;
  }
}
