import { openFileTree } from "../../layer/disk/open_tree.ts";
import { ExtractError } from "../../layer/errors.ts";
import {
  type ExtractReport,
  MAX_IMPLIED_DIRECTORIES,
} from "../../layer/extraction/extract_report.ts";
import { type LayerLimits, pickLimits } from "../../layer/extraction/layer_limits.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { syncFileSystem } from "../../layer/linux/native_mount.ts";
import { dropInheritedAcls } from "../../layer/trees/directory_metadata.ts";
import { Semaphore } from "../../registry/tasks/semaphore.ts";
import { SingleFlight } from "../../registry/tasks/single_flight.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image/image.ts";
import { checkLayerType } from "../../spec/image/layer_type.ts";
import { resolve } from "../../spec/paths.ts";
import { warnOfSkipped } from "../bundles/warn_of_skipped.ts";
import type { ContentStore } from "../content/content_store.ts";
import { boundByFiles } from "../host/file_limit.ts";
import { makeDirectories } from "../host/files.ts";
import { removeTree } from "../host/remove_tree.ts";
import { discardTree } from "../host/unmount.ts";
import { limitDecompressed } from "../threads/decompressed_total.ts";
import type { LayerExtraction, LayerExtractionOptions } from "../threads/overlay_extraction.ts";
import { type LayerDraft, LayerDrafts } from "./_layer_drafts.ts";
import { lowersOf } from "./_overlay_stack.ts";
import { chainIdsOf, type ExtractedLayer, findLayer, keyOf } from "./extracted_layer.ts";
import type { OverlayMounter, WritableOverlay } from "./overlay_mounter.ts";

/** Options for {@linkcode OverlayLayerResolver}. */
export interface LayerResolverOptions extends LayerLimits {
  /** Mounter of the layers. Layers that need their parents are mounted during extraction. */
  readonly mounter: OverlayMounter;
  /** Owners of the extracted files. */
  readonly ownership: Ownership;
  /**
   * Maximum number of layers to extract at once.
   *
   * The default is the number of processors.
   */
  readonly jobs?: number | undefined;
  /** Aborts the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Called to extract one layer.
   *
   * By default, layers are extracted in this thread.
   */
  readonly extract?: LayerExtraction | undefined;
}

/** Extractions of this process, by directory and layer. */
const extractions = new SingleFlight();

/**
 * Extracts each layer once, for all images and bundles that use it.
 *
 * **Keys.** A layer is extracted independently of the layers below it, with its whiteouts converted
 * to those of the overlay file system. The directory then depends only on the bytes of the layer,
 * which the DiffID verifies, on the namespace and on the owners. Its key consists of these three.
 *
 * Two kinds of layers depend on their parents: those with a hard link to a file of a lower layer,
 * and those with entries in a directory that they do not describe. The extraction detects both. The
 * key then has the ChainID of the layer, which covers its parents as well. An undescribed directory
 * receives its owner, mode and times from the parents. If it is a symlink there, or the target of a
 * hard link is missing, the layer is extracted again, into an overlay over its parents.
 *
 * A base has no parents to hide. If its whiteouts get in the way of its own entries, it is extracted
 * without them, and its key has the ChainID, because the same layer over others needs its whiteouts.
 *
 * A directory appears under its name after its content has been verified and written to disk.
 * Concurrent tasks and processes share one extraction.
 *
 * @example Find the directories of the layers of an image
 * ```ts
 * import {
 *   type ContentStore,
 *   type Image,
 *   OverlayLayerResolver,
 *   type OverlayMounter,
 * } from "@x/oci/store";
 *
 * async function findLayers(
 *   store: ContentStore,
 *   image: Image,
 *   mounter: OverlayMounter,
 * ): Promise<readonly string[]> {
 *   const resolver = new OverlayLayerResolver(store, { mounter, ownership: "strict" });
 *   return (await resolver.resolve(image)).map(({ path }) => path);
 * }
 * ```
 */
export class OverlayLayerResolver {
  readonly #drafts: LayerDrafts;
  readonly #options: LayerResolverOptions;
  readonly #limit: Semaphore;

  /**
   * Creates a resolver for a store.
   *
   * @throws {RangeError} If `jobs` is not an integer above 0.
   */
  constructor(store: ContentStore, options: LayerResolverOptions) {
    const { jobs = navigator.hardwareConcurrency } = options;
    this.#drafts = new LayerDrafts(resolve(store.path), store.onWait);
    this.#options = options;
    this.#limit = new Semaphore(boundByFiles(jobs));
  }

  /**
   * Returns the directories of the layers of an image, extracting missing layers first.
   *
   * @param image An image in the store, or one whose layers `extract` downloads.
   * @returns The directories, the base first.
   * @throws {ExtractError} If a layer cannot be extracted.
   * @throws {DigestMismatchError} If a layer's blob is corrupt.
   * @throws {DiffIdMismatchError} If the archive of a layer does not match its DiffID.
   */
  async resolve(image: Pick<RemoteImage, "layers">): Promise<readonly ExtractedLayer[]> {
    image.layers.forEach(({ descriptor }) => checkLayerType(descriptor));
    const { maxBytes, ownership, mounter: { namespace } } = this.#options;
    const tasks = new TaskGroup(this.#options.signal);
    const countBytes = limitDecompressed(maxBytes);
    const resolving: Promise<ExtractedLayer>[] = [];
    const chainIds = chainIdsOf(image.layers.map(({ diffId }) => diffId));
    for (const [i, layer] of image.layers.entries()) {
      const work: LayerWork = {
        layer,
        alone: keyOf("layer", layer.diffId, { ownership, namespace }),
        chained: keyOf("chain", chainIds[i] ?? layer.diffId, { ownership, namespace }),
        parents: resolving.slice(),
        onPosition: (bytes) => countBytes(i, bytes),
        signal: tasks.signal,
      };
      resolving.push(tasks.run(() => this.#resolve(work)));
    }
    await tasks.join();
    return await Promise.all(resolving);
  }

  async #resolve(work: LayerWork): Promise<ExtractedLayer> {
    const { alone, chained, signal } = work;
    // By ChainID, so that tasks with the same layer over different parents do not wait for each
    // other.
    const { path } = this.#drafts;
    return await extractions.run(`${path} ${chained}`, {
      find: () => findLayer(path, alone) ?? findLayer(path, chained),
      work: () => this.#extract(work),
      signal,
    });
  }

  async #extract(work: LayerWork): Promise<ExtractedLayer> {
    const { layer, chained, parents, signal } = work;
    const extracted = await this.#limit.run(() => this.#extractAlone(work), signal);
    if (extracted !== undefined && !("draft" in extracted)) return extracted;
    await using unsettled = extracted;
    // Wait without holding a permit, since the parents may need it.
    const lowers = lowersOf(await Promise.all(parents));
    return await this.#limit.run(async () => {
      if (unsettled !== undefined) {
        const { draft, report } = unsettled;
        if (await this.#adopt(draft.path, lowers, report)) {
          return await this.#publish(draft, layer, report);
        }
        await removeTree(draft.path);
        return await this.#extractOver(work, draft, lowers);
      }
      const begun = await this.#drafts.begin(chained, signal);
      if (!("publish" in begun)) return begun;
      await using draft = begun;
      return await this.#extractOver(work, draft, lowers);
    }, signal);
  }

  /**
   * Extracts a layer without its parents.
   *
   * @returns The layer; a draft under the name for its ChainID if metadata of its parents is
   * missing; or `undefined` if it cannot be extracted without them.
   */
  async #extractAlone(
    work: LayerWork,
  ): Promise<ExtractedLayer | UnsettledLayer | undefined> {
    const { layer, alone, signal } = work;
    signal.throwIfAborted();
    const begun = await this.#drafts.begin(alone, signal);
    if (!("publish" in begun)) return begun;
    await using draft = begun;
    await makeDraftRoot(draft.path);
    let report: ExtractReport;
    let hasWhiteouts = true;
    try {
      report = await this.#run(work, draft.path, this.#options.mounter.namespace);
    } catch (error) {
      if (!(error instanceof ExtractError)) throw error;
      // A parent may have an entry that this layer needs.
      if (work.parents.length > 0) return undefined;
      // A whiteout may have replaced one. It hides nothing without parents.
      report = await this.#runLowest(work, draft.path);
      hasWhiteouts = false;
    }
    if (hasWhiteouts && report.impliedDirectories.length === 0) {
      return await this.#publish(draft, layer, report);
    }
    return await this.#chain(work, draft, report);
  }

  /**
   * Gives a layer that depends on its parents the name for its ChainID.
   *
   * @param extracted Draft under the name for the DiffID, which is released afterwards.
   */
  async #chain(
    work: LayerWork,
    extracted: LayerDraft,
    report: ExtractReport,
  ): Promise<ExtractedLayer | UnsettledLayer | undefined> {
    const { layer, chained, signal } = work;
    const isBase = work.parents.length === 0;
    // Do not keep the name for the DiffID: tasks that wait for it could deadlock with this one. Do
    // not wait for the name for the ChainID either: its holder may be waiting for this task.
    const begunAgain = isBase
      ? await this.#drafts.begin(chained, signal)
      : await this.#drafts.tryBegin(chained);
    if (begunAgain === undefined || !("publish" in begunAgain)) return begunAgain;
    await using drafts = new AsyncDisposableStack();
    const renamed = drafts.use(begunAgain);
    await Deno.rename(extracted.path, renamed.path);
    let settled = report;
    // The base has no parents, and an opaque root hides them. Nevertheless, entries may lead through
    // their links.
    if (isBase || report.opaqueRoot) {
      const { opaqueRoot, hidingDirectories, impliedDirectories } = report;
      const isListed = impliedDirectories.length < MAX_IMPLIED_DIRECTORIES;
      if (hidingDirectories.length > 0 || !isListed) {
        // Without whiteouts, there are no directories for them either.
        settled = { ...await this.#runLowest(work, renamed.path), opaqueRoot };
      }
      // Without parents, nothing is left to check.
      if (isBase) return await this.#publish(renamed, layer, settled);
    }
    const kept = drafts.move();
    return { draft: renamed, report: settled, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }

  /**
   * Copies the metadata of directories that a layer does not describe from its parents. Returns
   * `false` if the layer must be extracted over them instead.
   */
  async #adopt(path: string, lowers: readonly string[], report: ExtractReport): Promise<boolean> {
    const { namespace } = this.#options.mounter;
    const { inheritMetadata } = await import("../../layer/merging/inherit_metadata.ts");
    const scratch = `${path}.work`;
    const writable = { upper: `${scratch}/upper`, work: `${scratch}/work` };
    makeDirectories(scratch, writable.upper);
    const isComplete = await this.#overlay(path, lowers, writable, (view) => {
      using tree = openFileTree(path);
      using below = openFileTree(view);
      return inheritMetadata(tree, below, report, { namespace });
    });
    await removeTree(scratch);
    return isComplete;
  }

  /** Runs a task while an overlay is mounted at `PATH.view`. Creates its work directory. */
  async #overlay<T>(
    path: string,
    lowers: readonly string[],
    writable: WritableOverlay,
    task: (view: string) => T | Promise<T>,
  ): Promise<T> {
    const view = `${path}.view`;
    makeDirectories(writable.work, view);
    await this.#options.mounter.mount(lowers, view, writable);
    try {
      return await task(view);
    } finally {
      await discardTree(view, [view]);
    }
  }

  async #extractOver(
    work: LayerWork,
    draft: LayerDraft,
    lowers: readonly string[],
  ): Promise<ExtractedLayer> {
    const { path } = draft;
    const writable = { upper: path, work: `${path}.work` };
    await makeDraftRoot(path);
    const report = await this.#overlay(path, lowers, writable, (view) => {
      return this.#run(work, view);
    });
    await removeTree(writable.work);
    // The kernel has recorded all whiteouts of the layer, including those in the root.
    return await this.#publish(draft, work.layer, { ...report, opaqueRoot: false });
  }

  /** Extracts a layer once more, without its whiteouts. */
  async #runLowest(work: LayerWork, path: string): Promise<ExtractReport> {
    await removeTree(path);
    await makeDraftRoot(path);
    return await this.#run(work, path, "omit");
  }

  async #run(
    { layer, onPosition, signal }: LayerWork,
    root: string,
    whiteouts?: LayerExtractionOptions["whiteouts"],
  ): Promise<ExtractReport> {
    const { ownership, onWarning, extract = await loadExtraction() } = this.#options;
    const common = { ...pickLimits(this.#options), whiteouts, ownership, onWarning };
    return await extract(layer, root, { ...common, onPosition, signal });
  }

  async #publish(
    draft: LayerDraft,
    layer: RemoteLayer,
    report: ExtractReport,
  ): Promise<ExtractedLayer> {
    await syncFileSystem(draft.path);
    const { opaqueRoot, describesRoot } = report;
    const extracted = await draft.publish({ opaqueRoot, describesRoot });
    warnOfSkipped(report, `layer ${layer.descriptor.digest}`, this.#options.onWarning);
    return extracted;
  }
}

/** Loads the extraction on demand, since bundles of extracted layers do not need it. */
async function loadExtraction(): Promise<LayerExtraction> {
  const { extractOverlayLayer } = await import("../threads/overlay_extraction.ts");
  return extractOverlayLayer;
}

/** Creates the directory that a layer is extracted into. */
async function makeDraftRoot(path: string): Promise<void> {
  await Deno.mkdir(path);
  // Set the mode separately, since the umask restricts that of `mkdir()`.
  await Deno.chmod(path, 0o755);
  using tree = openFileTree(path);
  dropInheritedAcls(tree);
}

interface LayerWork extends Pick<LayerExtractionOptions, "onPosition"> {
  readonly layer: RemoteLayer;
  /** Key of the layer if it is independent of its parents. */
  readonly alone: string;
  /** Key of the layer if it depends on them. */
  readonly chained: string;
  readonly parents: readonly Promise<ExtractedLayer>[];
  readonly signal: AbortSignal;
}

/** An extracted layer that still lacks metadata from its parents. */
interface UnsettledLayer extends AsyncDisposable {
  readonly draft: LayerDraft;
  readonly report: ExtractReport;
}
