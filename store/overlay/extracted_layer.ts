import type { Ownership } from "../../layer/extraction/ownership.ts";
import { type Digest, digestHex, digestOf, isDigest } from "../../spec/digest.ts";
import { unlessThrown } from "../../spec/error_facts.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { resolve } from "../../spec/paths.ts";
import { lstatIfAny } from "../host/files.ts";
import { StoreFileError } from "../host/open_regular_file.ts";
import { readJsonFile, unlessFaulty } from "../host/read_small_file.ts";
import type { OverlayNamespace } from "../threads/overlay_extraction.ts";

/** An extracted layer, which serves as a lower directory of overlays. */
export interface ExtractedLayer {
  /** Name in the store. */
  readonly name: string;
  /** Path of the directory. */
  readonly path: string;
  /** Whether the layer hides everything in the layers below it. */
  readonly opaqueRoot: boolean;
  /** Whether the layer has an entry for the root directory. */
  readonly describesRoot: boolean;
}

export interface LayerRecord extends Omit<ExtractedLayer, "name" | "path"> {
  /** What was extracted and how; distinguishes layers whose short names collide. */
  readonly key: string;
}

/** Settings that determine the content of an extracted layer. */
export interface LayerKind {
  /** Namespace of the attributes that mark opaque directories. */
  readonly namespace: OverlayNamespace;
  /** Owners of the extracted files. */
  readonly ownership: Ownership;
}

/** Maximum size of a record, which has a digest and some words, and perhaps IDs. */
export const MAX_RECORD_BYTES = 4096;
const NAME_LENGTH = 8;
const NAMES_PER_KEY = 4;
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";
/** Version of the format of extracted layers. */
const VERSION = 2;

/**
 * Finds the extracted layers of an image. The caller locks the layers against removal.
 *
 * @param store The directory of the store.
 * @param image The image.
 * @param kind Settings of the extraction.
 * @returns The layers, the base first; `undefined` if one of them is not extracted.
 */
export function findExtracted(
  store: string,
  { layers }: Pick<RemoteImage, "layers">,
  kind: LayerKind,
): readonly ExtractedLayer[] | undefined {
  const directory = `${resolve(store)}/chains`;
  // Computed on demand: hashing is slow until the JIT compiles it, and few layers need a ChainID.
  let chainIds: readonly Digest[] | undefined;
  const found: ExtractedLayer[] = [];
  for (const [i, { diffId }] of layers.entries()) {
    let layer = findLayer(directory, keyOf("layer", diffId, kind));
    if (layer === undefined) {
      chainIds ??= chainIdsOf(layers.map(({ diffId }) => diffId));
      layer = findLayer(directory, keyOf("chain", chainIds[i] ?? diffId, kind));
    }
    if (layer === undefined) return undefined;
    found.push(layer);
  }
  return found;
}

/**
 * Returns the key of a layer's directory. It contains the DiffID of a layer that was extracted
 * alone, or the ChainID of one that depends on its parents.
 */
export function keyOf(
  by: "layer" | "chain",
  id: Digest,
  { namespace, ownership }: LayerKind,
): string {
  const owner = typeof ownership === "string"
    ? ownership
    : digestOf(new TextEncoder().encode(JSON.stringify(ownership)));
  return `${by} ${id} ${VERSION} ${namespace} ${owner}`;
}

/**
 * Returns the ChainIDs of layers. A ChainID identifies a layer and all layers below it.
 *
 * See the OCI image specification, {@link https://github.com/opencontainers/image-spec/blob/v1.1.1/config.md#layer-chainid | config.md, ChainID}.
 *
 * @param diffIds The layers' DiffIDs, the base first.
 */
export function chainIdsOf(diffIds: readonly Digest[]): readonly Digest[] {
  const chainIds: Digest[] = [];
  for (const diffId of diffIds) {
    const below = chainIds.at(-1);
    chainIds.push(
      below === undefined ? diffId : digestOf(new TextEncoder().encode(`${below} ${diffId}`)),
    );
  }
  return chainIds;
}

/**
 * Returns the layer with a key if it is extracted. Synchronous, since an image may have hundreds of
 * layers, and awaited calls take ten times as long.
 *
 * @param directory The directory of the extracted layers.
 */
export function findLayer(directory: string, key: string): ExtractedLayer | undefined {
  for (const name of namesOf(key)) {
    const record = readLayerRecord(directory, name);
    if (record === undefined) return undefined;
    const path = `${directory}/${name}`;
    if (record !== "damaged" && record.key === key && isExtracted(path)) {
      return { ...record, name, path };
    }
  }
  return undefined;
}

/** Reads a record. The name of a damaged one stays taken, but its directory is no longer used. */
export function readLayerRecord(
  directory: string,
  name: string,
): LayerRecord | "damaged" | undefined {
  try {
    const value = readJsonFile(`${directory}/${name}.json`, { maxBytes: MAX_RECORD_BYTES });
    return value === undefined ? undefined : parseRecord(value) ?? "damaged";
  } catch (error) {
    const fault = error instanceof StoreFileError ? error.fault : undefined;
    if (fault === "syntax" || fault === "shape") return "damaged";
    throw error;
  }
}

/** Whether an extracted layer has an intact record. */
export function hasIntactRecord(directory: string, name: string): boolean {
  return typeof unlessThrown(() => readLayerRecord(directory, name), StoreFileError) === "object";
}

/**
 * Returns all members of the record of an extracted layer; none if it is missing, damaged or another
 * user's.
 *
 * @param path Path of the layer.
 */
export function recordMembers(path: string): Readonly<Record<string, unknown>> {
  const read = () => readJsonFile(`${path}.json`, { maxBytes: MAX_RECORD_BYTES });
  return unlessFaulty(read) ?? {};
}

/** Returns the DiffID or ChainID in the record of a layer; `undefined` if the record is invalid. */
export function recordedDigest(path: string): Digest | undefined {
  const { key } = recordMembers(path);
  const digest = typeof key === "string" ? key.split(" ")[1] : undefined;
  return isDigest(digest) ? digest : undefined;
}

function parseRecord(value: Readonly<Record<string, unknown>>): LayerRecord | undefined {
  const { key, opaqueRoot, describesRoot } = value;
  const isValid = typeof key === "string" && typeof opaqueRoot === "boolean" &&
    typeof describesRoot === "boolean";
  return isValid ? { key, opaqueRoot, describesRoot } : undefined;
}

/**
 * Returns whether a layer exists at a path.
 *
 * @throws {StoreFileError} If something other than a directory is there.
 */
export function isExtracted(path: string): boolean {
  const info = lstatIfAny(path);
  if (info === undefined) return false;
  // Owner and mode are not checked, since they come from the root directory of the image.
  if (info.isDirectory) return true;
  const fault = info.isSymlink ? "symlink" : "special";
  throw new StoreFileError(fault, path, "read", "Remove it and try again");
}

/** Returns the possible names of a key, in the order in which they are tried. */
export function namesOf(key: string): readonly string[] {
  const hex = digestHex(digestOf(new TextEncoder().encode(key)));
  const bytes = hex.match(/../g)?.map((pair) => ALPHABET[parseInt(pair, 16) & 31]).join("") ?? "";
  return Array.from(
    { length: NAMES_PER_KEY },
    (_, i) => bytes.slice(i * NAME_LENGTH, (i + 1) * NAME_LENGTH),
  );
}
