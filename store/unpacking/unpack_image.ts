import { openFileTree } from "../../layer/disk/open_tree.ts";
import { ExtractError } from "../../layer/errors.ts";
import { type ExtractReport, ReportBuilder } from "../../layer/extraction/extract_report.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { cleanPath } from "../../layer/trees/clean_path.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import { checkIntegers } from "../../spec/error_facts.ts";
import type { RemoteImage } from "../../spec/image/image.ts";
import { checkLayerType } from "../../spec/image/layer_type.ts";
import type { ContentStore } from "../content/content_store.ts";
import { defaultOwnership } from "../host/default_ownership.ts";
import { pickStageOptions } from "../threads/layer_staging.ts";
import { LayerThreads } from "../threads/layer_threads.ts";
import { hasPaths } from "../threads/path_selection.ts";
import { openLazyLayers, type UnpackPlan } from "./_lazy_layers.ts";
import { stageLayers } from "./_stage_layers.ts";
import type { UnpackResult } from "./_unpack_flattened.ts";
import { UnpackRoot } from "./_unpack_root.ts";
import type { UnpackImageOptions, UnpackReport } from "./unpack_image_options.ts";

/**
 * Checks the directory for {@linkcode unpackImage} before anything is fetched.
 *
 * @throws {UnpackError} If it is not a directory, or not empty although `force` is not set.
 *
 * @example Check a directory before an image is pulled
 * ```ts
 * import { checkUnpackDirectory, ContentStore, UnpackError } from "@x/oci/store";
 * import { assertRejects } from "@std/assert";
 *
 * const store = await ContentStore.open("./store");
 * await Deno.mkdir("./rootfs/etc", { recursive: true });
 *
 * await checkUnpackDirectory(store, "./rootfs", { force: true });
 *
 * await assertRejects(() => checkUnpackDirectory(store, "./rootfs", {}), UnpackError);
 * ```
 */
export async function checkUnpackDirectory(
  store: ContentStore,
  directory: string,
  { force = false }: Pick<UnpackImageOptions, "force">,
): Promise<void> {
  await UnpackRoot.check(directory, { store: store.path, force });
}

/**
 * Unpacks an image into a directory: the root file system of a container.
 *
 * Downloads the layers that the store lacks and extracts them in the same pass. Layers are extracted
 * in parallel, each into its own directory, and then merged. The result is the same as if they were
 * extracted one after the other. If only some paths are unpacked and a remote layer has a table of
 * contents, only parts of the layer are fetched, unless `partial` is `false`.
 *
 * Everything happens in a work directory inside `directory`, whose content is moved into place once
 * all digests have been verified. A failure therefore leaves nothing behind, and the next call
 * removes the leftovers of a killed process. With `force`, files are written over the existing ones,
 * and a failure leaves those that were written.
 *
 * @param store The store that keeps the layers.
 * @param image The image. Layers that are not in the store are downloaded.
 * @param directory An empty or missing directory.
 * @param options Paths to unpack, owners, limits and callbacks.
 * @returns Numbers of entries and bytes, and the entries that were skipped.
 * @throws {UnpackError} If the directory is not empty, another process is unpacking into it, or the
 * image lacks a path.
 * @throws {ExtractError} If an entry of a layer cannot be extracted.
 * @throws {DigestMismatchError} If the bytes of a layer do not match its descriptor.
 * @throws {DiffIdMismatchError} If the archive of a layer does not match its DiffID.
 * @throws {LimitError} If the image exceeds a limit.
 * @throws {RangeError} If the name of the directory is empty, `strip` is not a non-negative integer,
 *   `jobs` is not an integer above 0, or a limit is not a number >= 0.
 *
 * @example Unpack an image of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, unpackImage } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const image = await pull("alpine:3.20", { store: "./store" });
 * const store = await ContentStore.open("./store");
 *
 * const { entries, skipped } = await unpackImage(store, image, "./rootfs");
 *
 * assertEquals([entries, skipped], [6, []]);
 * ```
 */
export async function unpackImage(
  store: ContentStore,
  image: RemoteImage,
  directory: string,
  options: UnpackImageOptions = {},
): Promise<UnpackReport> {
  const { force = false, strip = 0, signal } = options;
  checkIntegers("unpack an image", { strip }, 0);
  const paths = options.paths?.map((path) => cleanPath(path));
  signal?.throwIfAborted();
  image.layers.forEach(({ descriptor }) => checkLayerType(descriptor));
  await using root = await UnpackRoot.open(directory, { store: store.path, force });
  const ownership = options.ownership ??
    await defaultOwnership(root.isEmpty ? root.work : root.path);
  using _native = keepNativeBackend();
  const chosen = { ...options, paths, ownership, backend: chooseBackend(root.path, options) };
  const lazy = await openLazyLayers(store, image, chosen);
  const plan = { store, image, options: chosen, lazy };
  const flatten = async (place: string) => {
    const { unpackFlattened } = await import("./_unpack_flattened.ts");
    return await unpackFlattened(plan, place);
  };
  if (!root.isEmpty) {
    const { report } = await flatten(root.path);
    await options.beforePublish?.(report);
    root.keepContent();
    return report;
  }
  // Paths are stripped only once whiteouts have been applied. Indexes and tables tell where the
  // selected paths are, so that the layers need not be read as a whole.
  const isFlattened = strip > 0 || lazy.size > 0 || paths !== undefined &&
      await (await import("./_unpack_flattened.ts")).isIndexed(store, image);
  const extracted = isFlattened ? undefined : await extractAll(plan, root);
  const { report, describesRoot } = extracted ?? await flatten(await root.makeBase());
  await options.beforePublish?.(report);
  await root.publish(describesRoot, chosen);
  return report;
}

/** Chooses the backend once, so that there is a single warning, which names the directory. */
function chooseBackend(directory: string, options: UnpackImageOptions): TreeBackend {
  using tree = openFileTree(directory, options);
  return tree.backend;
}

/**
 * Extracts the selected paths into the work directory.
 *
 * @returns The result; `undefined` if it depends on all layers together.
 */
async function extractAll(
  { store, image, options }: UnpackPlan,
  root: UnpackRoot,
): Promise<UnpackResult | undefined> {
  const { paths } = options;
  using threads = LayerThreads.for(image, options.jobs);
  const stageOptions = { ...pickStageOptions(options), paths };
  const staging = { work: root.work, options: stageOptions, threads };
  try {
    const reports = await stageLayers(store, image, staging, options);
    if (paths === undefined || hasPaths(root.base, paths)) return sumUp(reports);
  } catch (error) {
    if (paths === undefined || !(error instanceof ExtractError)) throw error;
  }
  // A path may lead through a symlink, or a hard link may lead out of the selected paths.
  await root.clear();
  return undefined;
}

function sumUp(reports: readonly ExtractReport[]): UnpackResult {
  const total = new ReportBuilder();
  for (const report of reports) total.add(report);
  const { entries, bytes, skipped, skippedCount, describesRoot } = total.build();
  const whole = { isPartial: false, reusedBytes: 0 };
  return { report: { entries, bytes, skipped, skippedCount, ...whole }, describesRoot };
}
