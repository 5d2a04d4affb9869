import { ExtractError } from "../../layer/errors.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { cleanPath } from "../../layer/trees/extract_path.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import { keepNativeBackend } from "../../layer/linux/native_backend.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { RemoteImage } from "../../spec/image.ts";
import { defaultOwnership } from "./default_ownership.ts";
import { ImageUnpacking } from "./_image_unpacking.ts";
import { pickStageOptions } from "../stages/layer_stage.ts";
import { hasPaths } from "../stages/path_selection.ts";
import { StageWorkers } from "../stages/stage_workers.ts";
import type { UnpackResult } from "./_unpack_flattened.ts";
import { UnpackRoot } from "./_unpack_root.ts";
import type { ContentStore } from "../content/content_store.ts";
import type { UnpackImageOptions, UnpackReport } from "./unpack_image_options.ts";

const MAX_SKIPPED = 10_000;

/**
 * Unpacks an image into a directory: what a container of it would see as its root.
 *
 * Layers that the store lacks are brought into it in the same pass: each byte is hashed, kept,
 * decompressed, hashed again and made into files while the next ones come. Layers are extracted
 * side by side, each by itself, and then put over one another; the result is that of extracting
 * them one after the other.
 *
 * All this happens in a directory of its own inside `directory`; what is in it gets its place
 * when all digests are right. So a failure leaves nothing behind; what a process leaves that is
 * killed, the next removes. Where `force` allows what is there to be replaced, what the layers
 * come to is extracted over it in place, and a failure leaves what was done.
 *
 * @param store Where layers are kept.
 * @param image The image; what of it is not in the store is taken from where it is.
 * @param directory An empty directory, or one that is not there.
 * @param given What to unpack, and how.
 * @returns What was done and what was skipped.
 * @throws {UnpackError} If the directory holds something, another process is unpacking into it, or
 * the image lacks a path.
 * @throws {ExtractError} If an entry of a layer cannot be extracted.
 * @throws {DigestMismatchError} If a layer's bytes are not those of its descriptor.
 * @throws {DiffIdMismatchError} If a layer unpacks to something else than the config says.
 * @throws {LimitError} If there is more of something than is accepted.
 *
 * @example Unpack an image of a store
 * ```ts no-assert
 * import { type ContentStore, type Image, unpackImage } from "@x/oci/store";
 *
 * async function unpack(store: ContentStore, image: Image): Promise<void> {
 *   const { entries, skipped } = await unpackImage(store, image, "./rootfs");
 *   console.log(`${entries} entries`, skipped);
 * }
 * ```
 */
export async function unpackImage(
  store: ContentStore,
  image: RemoteImage,
  directory: string,
  given: UnpackImageOptions = {},
): Promise<UnpackReport> {
  const { force = false, signal } = given;
  const paths = given.paths?.map((path) => cleanPath(path).path);
  signal?.throwIfAborted();
  await using root = await UnpackRoot.open(directory, force);
  const ownership = given.ownership ?? await defaultOwnership(root.isEmpty ? root.work : root.path);
  using _native = keepNativeBackend();
  const options = { ...given, ownership, backend: chooseBackend(root.path, given) };
  const flatten = async (place: string) => {
    const { unpackFlattened } = await import("./_unpack_flattened.ts");
    return await unpackFlattened(store, image, place, paths, options);
  };
  if (!root.isEmpty) {
    const { report } = await flatten(root.path);
    root.keep();
    return report;
  }
  const { report, describesRoot } = await extractAll(store, image, root, paths, options) ??
    await flatten(await root.makeBase());
  await root.publish(describesRoot, options.backend);
  return report;
}

/** Options with the backend that serves them. */
type ChosenOptions = UnpackImageOptions & { readonly backend: TreeBackend };

/** The backend for all that follows, so that a warning comes once, and names the directory. */
function chooseBackend(
  directory: string,
  { backend, onWarning }: UnpackImageOptions,
): TreeBackend {
  const options = { ...(backend && { backend }), ...(onWarning && { onWarning }) };
  using tree = openFileTree(directory, options);
  return tree.backend;
}

/**
 * Extracts what is selected into the work directory.
 *
 * @returns Nothing if all layers together have to be known for that.
 */
async function extractAll(
  store: ContentStore,
  image: RemoteImage,
  root: UnpackRoot,
  paths: readonly string[] | undefined,
  options: ChosenOptions,
): Promise<UnpackResult | undefined> {
  using workers = StageWorkers.for(image, options.jobs);
  const stageOptions = { ...pickStageOptions(options), ...(paths && { paths }) };
  const unpacking = new ImageUnpacking(store, image, options);
  try {
    const results = await unpacking.stage(
      root.work,
      stageOptions,
      (plan, listener) => workers.open(plan, listener),
    );
    if (paths === undefined || hasPaths(root.base, paths)) return sumUp(results);
  } catch (error) {
    if (paths === undefined || !(error instanceof ExtractError)) throw error;
  }
  // An entry or a path may lead through a link, or a hard link out of what is selected.
  await root.clear();
  return undefined;
}

function sumUp(reports: readonly ExtractReport[]): UnpackResult {
  const sum = (of: (report: ExtractReport) => number) => {
    return reports.reduce((total, report) => total + of(report), 0);
  };
  const report = {
    entries: sum(({ entries }) => entries),
    bytes: sum(({ bytes }) => bytes),
    skipped: reports.flatMap(({ skipped }) => skipped).slice(0, MAX_SKIPPED),
    skippedCount: sum(({ skippedCount }) => skippedCount),
  };
  return { report, describesRoot: reports.some(({ describesRoot }) => describesRoot) };
}
