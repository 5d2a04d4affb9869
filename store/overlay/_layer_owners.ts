import { openFileTree } from "../../layer/disk/open_tree.ts";
import { type IdRange, mapId, type OwnershipMap } from "../../layer/extraction/ownership.ts";
import { childPath } from "../../layer/trees/clean_path.ts";
import type { FileStatus, FileTree } from "../../layer/trees/file_tree.ts";
import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { isObject } from "../../spec/json.ts";
import { BundleError } from "../errors.ts";
import { swapFile } from "../host/files.ts";
import { readJsonFile, unlessFaulty } from "../host/read_small_file.ts";
import { type ExtractedLayer, MAX_RECORD_BYTES } from "./extracted_layer.ts";

/** IDs of the owners of files, in ascending order. */
interface LayerOwners {
  readonly uids: readonly number[];
  readonly gids: readonly number[];
}

/** Maximum number of IDs of one kind to record. Most layers have fewer than ten. */
const MAX_RECORDED_IDS = 100;

/**
 * Checks that ranges contain the owners of all files in extracted layers: the kernel would show the
 * others as files of an unknown user, and could not copy them. The owners are recorded with each
 * layer, so that its files are visited only once.
 *
 * @param path Path of the bundle, for errors.
 * @throws {BundleError} If the owner of a file is in no range.
 */
export async function checkLayerOwners(
  layers: readonly ExtractedLayer[],
  { uids, gids }: OwnershipMap,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  for (const layer of layers) {
    const owners = readOwners(layer) ?? await findOwners(layer, signal);
    for (
      const { kind, option, ids, ranges } of [
        { kind: "user", option: "uids", ids: owners.uids, ranges: uids },
        { kind: "group", option: "gids", ids: owners.gids, ranges: gids },
      ] as const
    ) {
      const id = ids.find((id) => mapId(id, ranges as readonly IdRange[]) === undefined);
      if (id === undefined) continue;
      throw new BundleError(await describeOwner(layer, kind, id), path, {
        code: "ownership",
        action: `map the owners of the image for "${path}"`,
        advice: `Add one to "${option}"`,
        option,
      });
    }
  }
}

async function describeOwner(
  { path: root }: ExtractedLayer,
  kind: "user" | "group",
  id: number,
): Promise<string> {
  let found = "";
  using tree = openFileTree(root);
  await visit(tree, (path, { uid, gid }) => {
    if ((kind === "user" ? uid : gid) !== id) return true;
    found = `the owner of ${JSON.stringify(`/${path}`)} is ${uid}:${gid}, and `;
    return false;
  });
  return `${found}no range contains ${kind} ${id}`;
}

/** Finds the owners of the files in a layer, and records them. */
async function findOwners(
  { path }: ExtractedLayer,
  signal: AbortSignal | undefined,
): Promise<LayerOwners> {
  const [uids, gids] = [new Set<number>(), new Set<number>()];
  using tree = openFileTree(path);
  await visit(tree, (_path, { uid, gid }) => {
    uids.add(uid);
    gids.add(gid);
    return true;
  }, signal);
  const owners = { uids: ascending(uids), gids: ascending(gids) };
  if (Math.max(uids.size, gids.size) <= MAX_RECORDED_IDS) writeOwners(path, owners);
  return owners;
}

function ascending(ids: ReadonlySet<number>): readonly number[] {
  return [...ids].sort((a, b) => a - b);
}

function readOwners({ path }: ExtractedLayer): LayerOwners | undefined {
  const { owners } = readRecord(path) ?? {};
  if (!isObject(owners)) return undefined;
  const { uids, gids } = owners;
  return areIds(uids) && areIds(gids) ? { uids, gids } : undefined;
}

function writeOwners(path: string, owners: LayerOwners): void {
  const record = readRecord(path);
  if (record === undefined) return;
  try {
    const text = `${JSON.stringify({ ...record, owners })}\n`;
    if (text.length > MAX_RECORD_BYTES) return;
    swapFile(`${path}.json`, [new TextEncoder().encode(text)]);
  } catch {
    // The next bundle visits the files again.
  }
}

function readRecord(path: string): Readonly<Record<string, unknown>> | undefined {
  return unlessFaulty(() => readJsonFile(`${path}.json`, { maxBytes: MAX_RECORD_BYTES }));
}

function areIds(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((id) => Number.isInteger(id));
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
