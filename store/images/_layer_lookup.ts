import type { MemoryTree } from "../../layer/trees/memory_tree.ts";
import { MAX_LINKS } from "../../layer/trees/walk_path.ts";
import type { StagedLayer } from "../../layer/extraction/staged_layer.ts";

/** What a layer by itself has, and what it hides. */
export interface LayerListing {
  readonly tree: MemoryTree;
  readonly staged: StagedLayer;
}

/** Where a path is: in the listing of a layer; nowhere; or only all layers together can tell. */
export type Lookup = { readonly tree: MemoryTree; readonly path: string } | "hidden" | "unknown";

/** What a single layer says of a path. */
type Saying =
  | { readonly kind: "has" }
  | { readonly kind: "hides" }
  | { readonly kind: "nothing" }
  | { readonly kind: "link"; readonly depth: number; readonly target: string };

/**
 * Looks for a path in layers, from the top one down, and asks for no more of them than it takes.
 *
 * @param path The path.
 * @param followLast Whether a link at its end is followed.
 * @param count How many layers there are.
 * @param listing Lists a layer; `undefined` if it cannot be understood by itself.
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
  // Up to here the layers above say that there are directories, whatever lower ones have there.
  let described = 0;
  for (let index = count - 1; index >= 0; index--) {
    const layer = await listing(index);
    if (layer === undefined) return "unknown";
    const saying = ask(layer, parts, followLast, described);
    if (saying.kind === "has") return { tree: layer.tree, path: parts.join("/") };
    if (saying.kind === "hides") return "hidden";
    if (saying.kind === "link") return saying;
    // Through a link of a lower layer it may have, or hide, what is asked for by another path.
    if (mayGoThroughLinks(layer)) return "unknown";
    described = Math.max(described, describedDepth(layer, parts));
  }
  // All layers have been read: together they may say more, of parents that are links.
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
      // What it is like is for a layer below to say, if it can be seen.
      const isImplied = staged.undescribed.includes(path) && !hides(staged, parts);
      return { kind: isImplied ? "nothing" : "has" };
    }
    if (isLast && !(type === "symlink" && followLast)) return { kind: "has" };
    // A file is no parent, and a directory of a layer above takes the place of a link.
    if (type !== "symlink" || depth < described) return { kind: "hides" };
    return { kind: "link", depth, target: tree.readLink(path) };
  }
  return { kind: "has" };
}

/** Whether a layer keeps those below from showing what they have at a path. */
function hides({ whiteouts, opaque }: StagedLayer, parts: readonly string[]): boolean {
  const prefixes = new Set(parts.map((_, i) => parts.slice(0, i + 1).join("/")));
  const parents = new Set(["", ...prefixes]);
  parents.delete(parts.join("/"));
  return opaque.some((path) => parents.has(path)) || whiteouts.some(({ directory, name }) => {
    if (name === undefined) return parents.has(directory);
    return prefixes.has(directory === "" ? name : `${directory}/${name}`);
  });
}

/** Whether a layer takes something for a directory that it does not describe. */
function mayGoThroughLinks({ tree, staged }: LayerListing): boolean {
  const { undescribed, whiteouts } = staged;
  return undescribed.some((path) => path !== "") ||
    whiteouts.some(({ directory }) => tree.status(directory)?.type !== "directory");
}

/** Whether a path has `..` after a name, which may be that of a link. */
function goesBack(path: string): boolean {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return parts.some((part, i) => part === ".." && i > 0 && parts[i - 1] !== "..");
}

/** How many of the directories of a path a layer has, each of which it describes. */
function describedDepth({ tree }: LayerListing, parts: readonly string[]): number {
  const depth = parts.findIndex((_, i) => {
    return tree.status(parts.slice(0, i + 1).join("/"))?.type !== "directory";
  });
  return depth < 0 ? parts.length : depth;
}

/** Without empty parts and `.`; `..` takes away the part before it, which is no link any more. */
function cleanParts(parts: readonly string[]): string[] {
  const clean: string[] = [];
  for (const part of parts) {
    if (part === "..") clean.pop();
    else if (part !== "" && part !== ".") clean.push(part);
  }
  return clean;
}
