import { openFileTree } from "../../layer/disk/open_tree.ts";
import { idsInXattr, type XattrId } from "../../layer/extraction/mapped_xattr.ts";
import { mapId, type OwnershipMap } from "../../layer/extraction/ownership.ts";
import { childPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileTree } from "../../layer/trees/file_tree.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { isObject } from "../../spec/json.ts";
import { BundleError } from "../errors.ts";
import { swapFile } from "../host/files.ts";
import { type ExtractedLayer, MAX_RECORD_BYTES, recordMembers } from "./extracted_layer.ts";

/** IDs of users and groups, in ascending order. */
interface Ids {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** IDs in a layer. */
interface LayerIds {
  /** Owners of the files. */
  readonly owners: Ids;
  /** IDs in access control lists and file capabilities. */
  readonly attributes: Ids;
}

/** Maximum number of IDs of one kind to record. Most layers have fewer than ten. */
const MAX_RECORDED_IDS = 100;

/**
 * Checks that ranges contain the owners of all files in extracted layers, and the IDs in their
 * attributes: the kernel would show the others as files of an unknown user, and could not copy
 * them. The IDs are recorded with each layer, so that its files are visited only once.
 *
 * @param path Path of the bundle, for errors.
 * @throws {BundleError} If an ID is in no range.
 */
export async function checkLayerOwners(
  layers: readonly ExtractedLayer[],
  map: OwnershipMap,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  for (const layer of layers) {
    const { owners, attributes } = readIds(layer) ?? await findIds(layer, signal);
    const unmapped = findUnmapped(owners, map) ?? findUnmapped(attributes, map);
    if (unmapped === undefined) continue;
    const { option } = unmapped;
    throw new BundleError(await describeUse(layer, unmapped), path, {
      code: "ownership",
      action: `map the owners of the image for "${path}"`,
      advice: `Add one to "${option}"`,
      option,
    });
  }
}

/** An ID that no range contains. */
interface UnmappedId extends XattrId {
  readonly option: "uids" | "gids";
}

function findUnmapped(ids: Ids, map: OwnershipMap): UnmappedId | undefined {
  for (const [kind, option] of [["user", "uids"], ["group", "gids"]] as const) {
    const id = ids[option].find((id) => mapId(id, map[option]) === undefined);
    if (id !== undefined) return { kind, id, option };
  }
  return undefined;
}

/** Describes the first use of an ID in a layer. */
async function describeUse(
  { path: root }: ExtractedLayer,
  { kind, id }: UnmappedId,
): Promise<string> {
  let found = "";
  using tree = openFileTree(root);
  await visit(tree, (path, status) => {
    const { uid, gid } = status;
    const name = JSON.stringify(`/${path}`);
    if ((kind === "user" ? uid : gid) === id) {
      found = `the owner of ${name} is ${uid}:${gid}, and `;
    } else if (
      idsInAttributes(tree, path, status).some((other) => other.kind === kind && other.id === id)
    ) {
      found = `the access control list or the capabilities of ${name} name ${kind} ${id}, and `;
    }
    return found === "";
  });
  return `${found}no range contains ${kind} ${id}`;
}

/** Finds the IDs in a layer, and records them. */
async function findIds(
  { path: root }: ExtractedLayer,
  signal: AbortSignal | undefined,
): Promise<LayerIds> {
  const owners = { uids: new Set<number>(), gids: new Set<number>() };
  const attributes = { uids: new Set<number>(), gids: new Set<number>() };
  using tree = openFileTree(root);
  await visit(tree, (path, status) => {
    owners.uids.add(status.uid);
    owners.gids.add(status.gid);
    for (const { kind, id } of idsInAttributes(tree, path, status)) {
      attributes[kind === "user" ? "uids" : "gids"].add(id);
    }
    return true;
  }, signal);
  const ids = { owners: ascending(owners), attributes: ascending(attributes) };
  const counts = [owners, attributes].flatMap(({ uids, gids }) => [uids.size, gids.size]);
  if (Math.max(...counts) <= MAX_RECORDED_IDS) writeIds(root, ids);
  return ids;
}

function idsInAttributes(
  tree: FileTree,
  path: string,
  { type }: FileStatus,
): readonly XattrId[] {
  // Symlinks have neither of these attributes.
  if (type === "symlink") return [];
  using entry = tree.open(path);
  return entry.listXattrs().flatMap((name) => {
    const value = entry.getXattr(name);
    return value === undefined ? [] : idsInXattr(name, value);
  });
}

function ascending(
  { uids, gids }: { readonly uids: ReadonlySet<number>; readonly gids: ReadonlySet<number> },
): Ids {
  const sorted = (ids: ReadonlySet<number>) => [...ids].sort((a, b) => a - b);
  return { uids: sorted(uids), gids: sorted(gids) };
}

function readIds({ path }: ExtractedLayer): LayerIds | undefined {
  const { owners, attributes } = recordMembers(path);
  return areIds(owners) && areIds(attributes) ? { owners, attributes } : undefined;
}

function writeIds(path: string, ids: LayerIds): void {
  const record = recordMembers(path);
  if (record.key === undefined) return;
  try {
    const text = `${JSON.stringify({ ...record, ...ids })}\n`;
    if (text.length > MAX_RECORD_BYTES) return;
    swapFile(`${path}.json`, [new TextEncoder().encode(text)]);
  } catch {
    // The next bundle visits the files again.
  }
}

function areIds(value: unknown): value is Ids {
  if (!isObject(value)) return false;
  return [value.uids, value.gids].every((ids) => Array.isArray(ids) && ids.every(Number.isInteger));
}

/** Visits the entries of a layer until a visitor returns `false`. */
async function visit(
  tree: FileTree,
  visitor: (path: string, status: FileStatus) => boolean,
  signal?: AbortSignal,
): Promise<void> {
  const root = tree.status("");
  if (root !== undefined && !visitor("", root)) return;
  const directories = [""];
  const turn = new WorkTurn();
  for (let at = directories.pop(); at !== undefined; at = directories.pop()) {
    for (const { name, isDirectory } of tree.entries(at)) {
      const path = childPath(at, name);
      const status = tree.status(path);
      if (status !== undefined && !visitor(path, status)) return;
      if (isDirectory) directories.push(path);
      if (turn.isOver()) await turn.next(signal);
    }
  }
}
