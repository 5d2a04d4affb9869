import { mapXattr } from "../../layer/extraction/mapped_xattr.ts";
import {
  mapId,
  type Owner,
  type Ownership,
  type OwnershipMap,
} from "../../layer/extraction/ownership.ts";
import { mountOf } from "../../layer/linux/mount_table.ts";
import type { FileStatus, TreeEntry } from "../../layer/trees/file_tree.ts";
import type { BundleMount } from "../bundles/bundle_record.ts";
import type { IdMaps } from "../bundles/id_maps.ts";
import { BundleError } from "../errors.ts";
import type { WaitOptions } from "../host/file_lock.ts";
import { checkLayerOwners } from "./_layer_owners.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";
import { findMappedMounter } from "./find_mounter.ts";
import { MAPPED_LOWERS, type OverlayMounter } from "./overlay_mounter.ts";

type DirectoryXattrs = Pick<TreeEntry, "listXattrs" | "getXattr">;

/** How the files of a bundle get mapped owners. */
export interface LayerMapping {
  /** Owner of a root directory that no layer describes. */
  readonly root: Owner;
  /** Owners of the extracted layers, if they are mapped; otherwise, those of the bundler. */
  readonly ownership?: Ownership | undefined;
  /** Mapping of layers with the owners of the bundler. */
  readonly mount?: MountMapping | undefined;
}

/** How layers get mapped owners when they are mounted. */
export interface MountMapping {
  /** Mounter of the root file system. */
  readonly mounter: OverlayMounter;
  /** Mount that it makes in addition. */
  readonly lowers: BundleMount;
  /**
   * Checks that the owners of all files, and the IDs in their attributes, are mapped.
   *
   * @throws {BundleError} If one is not.
   */
  readonly check: (layers: readonly ExtractedLayer[], path: string) => Promise<void>;
  /** Returns the metadata of a directory in a layer as the bundle has it. */
  readonly mapDirectory: (
    directory: DirectoryXattrs,
    status: FileStatus,
  ) => readonly [DirectoryXattrs, FileStatus];
}

/** Options for {@linkcode findMapping}. */
export interface FindMappingOptions extends WaitOptions {
  /** Whether to extract layers with mapped owners if the kernel cannot map those of mounts. */
  readonly slowChown: boolean;
}

/**
 * Finds out how layers in a store get mapped owners: by mounts with ID mappings, for all bundles of
 * the same extracted layers; or else by extracting them with these owners.
 *
 * @throws {BundleError} If the kernel does not support such mounts here, without `slowChown`.
 */
export async function findMapping(
  root: string,
  mounter: OverlayMounter,
  maps: IdMaps,
  { slowChown, ...waiting }: FindMappingOptions,
): Promise<LayerMapping> {
  const { ownership: map, root: owner } = maps;
  const mapped = mounter.kind === "overlay"
    ? await findMappedMounter(root, mounter, map, waiting)
    : `${mounter.kind} does not support it`;
  if (typeof mapped !== "string") {
    // The layers may have a file system of their own.
    const { type, device } = mountOf(`${await Deno.realPath(root)}/chains`) ?? {};
    const mount: MountMapping = {
      mounter: mapped,
      lowers: { target: MAPPED_LOWERS, type, device },
      check: (layers, path) => checkLayerOwners(layers, map, path, waiting.signal),
      mapDirectory: (directory, status) => mapDirectory(directory, status, map),
    };
    return { root: owner, mount };
  }
  if (slowChown) return { root: owner, ownership: map };
  throw new BundleError(mapped, root, {
    code: "overlay",
    action: `mount layers in "${root}" with mapped owners`,
    advice: 'Set the option "slowChown" to extract the layers with these owners once more',
    option: "slowChown",
  });
}

/** Maps the owner of a directory, which is in a range, and the IDs in its attributes. */
function mapDirectory(
  directory: DirectoryXattrs,
  status: FileStatus,
  map: OwnershipMap,
): readonly [DirectoryXattrs, FileStatus] {
  const { uid, gid } = status;
  const owner = { uid: mapId(uid, map.uids) ?? uid, gid: mapId(gid, map.gids) ?? gid };
  const mapped = {
    listXattrs: () => directory.listXattrs(),
    getXattr: (name: string) => {
      const value = directory.getXattr(name);
      return value && mapXattr(name, value, map);
    },
  };
  return [mapped, { ...status, ...owner }];
}
