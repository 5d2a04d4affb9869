import { parentPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus } from "../../layer/trees/file_tree.ts";
import { followPath } from "../host/follow_path.ts";
import type { LayerListing } from "./_layer_listing.ts";

/** An entry of an image, in the layer that it comes from. */
export interface FoundEntry {
  /** Number of the layer, counted from the base. */
  readonly layer: number;
  readonly listing: LayerListing;
  /** Path of the entry, without symlinks. */
  readonly path: string;
}

type Kind = "directory" | "absent" | "other";

/** Thrown where a layer must be listed before a lookup can go on. */
class UnlistedLayer {
  readonly index: number;

  constructor(index: number) {
    this.index = index;
  }
}

/** Thrown where only an extraction of all layers over each other tells what the image has. */
class EntangledLayer {}

/**
 * Looks up paths in the layers of an image, from the top one down, and lists only as many as it
 * takes.
 *
 * The layers above each other are what an extraction would make of them as long as each has its
 * entries where it says, in directories. A layer that does not describe the parents of an entry may
 * lead through a link of a lower layer. The kinds of these directories in the lower layers decide,
 * so such a layer makes a lookup read on below it.
 */
export class LayerStack {
  readonly #list: (index: number) => Promise<LayerListing | undefined>;
  readonly #top: number;
  /** `undefined` stands for a layer that cannot be listed by itself. */
  readonly #listings = new Map<number, LayerListing | undefined>();
  /** Layers whose entries are where they say. */
  readonly #plain = new Set<number>();

  /**
   * Creates a view of layers.
   *
   * @param count Number of layers.
   * @param list Called to list a layer; `undefined` if that takes the layers below it.
   */
  constructor(count: number, list: (index: number) => Promise<LayerListing | undefined>) {
    this.#top = count - 1;
    this.#list = list;
  }

  /**
   * Finds the entry at a path, and follows symlinks in it.
   *
   * @param path The path, from the root of the image.
   * @param followLast Whether to follow a symlink at the end of the path.
   * @returns The entry; `undefined` if the image has none; `"unknown"` if that takes an extraction
   * of all layers over each other.
   */
  async find(path: string, followLast: boolean): Promise<FoundEntry | undefined | "unknown"> {
    for (;;) {
      try {
        const { real } = followPath(this.#view, path, { followLast });
        return real === undefined ? undefined : this.#at(this.#top, real);
      } catch (thrown) {
        if (thrown instanceof EntangledLayer) return "unknown";
        if (!(thrown instanceof UnlistedLayer)) throw thrown;
        this.#listings.set(thrown.index, await this.#list(thrown.index));
      }
    }
  }

  get #view(): Parameters<typeof followPath>[0] {
    return {
      status: (path) => this.#statusAt(this.#top, path),
      readLink: (path) => this.#at(this.#top, path)?.listing.readLink(path) ?? "",
    };
  }

  #statusAt(top: number, path: string): FileStatus | undefined {
    return this.#at(top, path)?.listing.status(path);
  }

  /** Returns what the layers up to `top` have at a path whose parents are no links. */
  #at(top: number, path: string): FoundEntry | undefined {
    for (let layer = top; layer >= 0; layer--) {
      const listing = this.#plainListing(layer);
      const status = listing.status(path);
      if (status !== undefined) {
        const found = { layer, listing, path };
        if (status.type !== "directory" || !listing.isUndescribed(path)) return found;
        if (listing.hides(path)) return found;
        const lower = this.#at(layer - 1, path);
        const isDirectory = lower?.listing.status(path)?.type === "directory";
        return isDirectory ? lower : found;
      }
      if (listing.hides(path)) return undefined;
    }
    return undefined;
  }

  /** Returns the listing of a layer whose entries are where they say. */
  #plainListing(layer: number): LayerListing {
    if (!this.#listings.has(layer)) throw new UnlistedLayer(layer);
    const listing = this.#listings.get(layer);
    if (listing === undefined) throw new EntangledLayer();
    if (!this.#plain.has(layer)) {
      const kinds = new Map<string, Kind>([["", "directory"]]);
      const isPlain = (path: string) =>
        this.#kindBelow(layer, path, kinds) !== "other" &&
        isInDirectories(listing, path);
      if (!listing.dependencies.every(isPlain)) throw new EntangledLayer();
      this.#plain.add(layer);
    }
    return listing;
  }

  /** Returns whether a path leads through directories alone in the layers below another. */
  #kindBelow(
    layer: number,
    path: string,
    known: Map<string, Kind>,
  ): Kind {
    let kind = known.get(path);
    if (kind !== undefined) return kind;
    kind = this.#kindBelow(layer, parentPath(path), known);
    if (kind === "directory") {
      const type = this.#statusAt(layer - 1, path)?.type;
      kind = type === undefined ? "absent" : type === "directory" ? type : "other";
    }
    known.set(path, kind);
    return kind;
  }
}

/** Whether a layer has nothing but directories at a path and its parents, or nothing. */
function isInDirectories(listing: LayerListing, path: string): boolean {
  for (let at = path; at !== ""; at = parentPath(at)) {
    const type = listing.status(at)?.type;
    if (type !== undefined && type !== "directory") return false;
  }
  return true;
}
