import type { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { MAX_LINKS } from "../../layer/trees/walk_path.ts";
import type { StagedLayer } from "../../layer/extraction/staged_layer.ts";

/** The entries and whiteouts of a single layer. */
export interface LayerListing {
  readonly tree: MemoryTree;
  readonly staged: StagedLayer;
}

/**
 * Result of a lookup: an entry of a layer, `"hidden"`, or `"unknown"` if it takes a view of all
 * layers.
 */
export type Lookup = { readonly tree: MemoryTree; readonly path: string } | "hidden" | "unknown";

/** Result of a lookup in a single layer. */
type Saying =
  | { readonly kind: "has" }
  | { readonly kind: "hides" }
  | { readonly kind: "nothing" }
  | { readonly kind: "link"; readonly depth: number; readonly target: string };

/**
 * Looks up a path in layers, from the top one down, listing only as many layers as needed.
 *
 * @param path The path.
 * @param followLast Whether to follow a symlink at the end of the path.
 * @param count Number of layers.
 * @param listing Called to list a layer; returns `undefined` if that takes the layers below it.
 */
export async function lookUp(
  path: string,
  followLast: boolean,
  count: number,
  listing: (index: number) => Promise<LayerListing | undefined>,
): Promise<Lookup> {
  if (goesBack(path)) return "unknown";
  let parts = cleanParts(path.split("/"));
  for (let links = 0; links <= MAX_LINKS; links++) {
    const found = await search(parts, followLast, count, listing);
    if (typeof found !== "object" || "tree" in found) return found;
    if (goesBack(found.target)) return "unknown";
    const target = found.target.split("/");
    const from = found.target.startsWith("/") ? [] : parts.slice(0, found.depth);
    parts = cleanParts([...from, ...target, ...parts.slice(found.depth + 1)]);
  }
  return "hidden";
}

async function search(
  parts: readonly string[],
  followLast: boolean,
  count: number,
  listing: (index: number) => Promise<LayerListing | undefined>,
): Promise<Lookup | (Saying & { readonly kind: "link" })> {
  // Depth up to which the layers above define the path's parents as directories.
  let described = 0;
  for (let index = count - 1; index >= 0; index--) {
    const layer = await listing(index);
    if (layer === undefined) return "unknown";
    const saying = ask(layer, parts, followLast, described);
    if (saying.kind === "has") return { tree: layer.tree, path: parts.join("/") };
    if (saying.kind === "hides") return "hidden";
    if (saying.kind === "link") return saying;
    // A symlink in a lower layer may make this layer's entries appear at other paths.
    if (mayGoThroughLinks(layer)) return "unknown";
    described = Math.max(described, describedDepth(layer, parts));
  }
  // No layer has the path by itself, but its parents may be symlinks in other layers.
  return "unknown";
}

function ask(
  { tree, staged }: LayerListing,
  parts: readonly string[],
  followLast: boolean,
  described: number,
): Saying {
  for (let depth = 0; depth < parts.length; depth++) {
    const path = parts.slice(0, depth + 1).join("/");
    const type = tree.status(path)?.type;
    if (type === undefined) {
      return hides(staged, parts) ? { kind: "hides" } : { kind: "nothing" };
    }
    const isLast = depth === parts.length - 1;
    if (type === "directory") {
      if (!isLast) continue;
      // A layer below describes the directory, unless it is hidden.
      const isImplied = staged.undescribed.includes(path) && !hides(staged, parts);
      return { kind: isImplied ? "nothing" : "has" };
    }
    if (isLast && !(type === "symlink" && followLast)) return { kind: "has" };
    // A file cannot be a parent, and a directory of a layer above replaces a symlink.
    if (type !== "symlink" || depth < described) return { kind: "hides" };
    return { kind: "link", depth, target: tree.readLink(path) };
  }
  return { kind: "has" };
}

/** Returns whether a layer hides the entries of lower layers at a path. */
function hides({ whiteouts, opaque }: StagedLayer, parts: readonly string[]): boolean {
  const prefixes = new Set(parts.map((_, i) => parts.slice(0, i + 1).join("/")));
  const parents = new Set(["", ...prefixes]);
  parents.delete(parts.join("/"));
  return opaque.some((path) => parents.has(path)) || whiteouts.some(({ directory, name }) => {
    if (name === undefined) return parents.has(directory);
    return prefixes.has(directory === "" ? name : `${directory}/${name}`);
  });
}

/** Returns whether a layer has entries below a directory that it does not describe. */
function mayGoThroughLinks({ tree, staged }: LayerListing): boolean {
  const { undescribed, whiteouts } = staged;
  return undescribed.some((path) => path !== "") ||
    whiteouts.some(({ directory }) => tree.status(directory)?.type !== "directory");
}

/** Returns whether a path has `..` after a name, which may be a symlink. */
function goesBack(path: string): boolean {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.some((part, i) => part === ".." && i > 0 && parts[i - 1] !== "..");
}

/** Returns how many leading directories of a path a layer describes. */
function describedDepth({ tree }: LayerListing, parts: readonly string[]): number {
  const depth = parts.findIndex((_, i) => {
    return tree.status(parts.slice(0, i + 1).join("/"))?.type !== "directory";
  });
  return depth < 0 ? parts.length : depth;
}

/** Removes empty parts and `.`, and resolves `..`, whose preceding part is not a symlink here. */
function cleanParts(parts: readonly string[]): string[] {
  const clean: string[] = [];
  for (const part of parts) {
    if (part === "..") clean.pop();
    else if (part !== "" && part !== ".") clean.push(part);
  }
  return clean;
}
