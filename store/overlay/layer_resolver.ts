import { checkLayerType } from "../../spec/layer_type.ts";
import { resolve } from "../../spec/paths.ts";
import { inheritMetadata } from "../../layer/extraction/inherit_metadata.ts";
import { ExtractError } from "../../layer/errors.ts";
import type { ExtractReport } from "../../layer/extraction/extract_report.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { Ownership } from "../../layer/extraction/ownership.ts";
import { syncFileSystem } from "../../layer/linux/sync_file_system.ts";
import type { Digest } from "../../spec/digest.ts";
import type { RemoteImage, RemoteLayer } from "../../spec/image.ts";
import { removeTree } from "../host/remove_tree.ts";
import { warnOfSkipped } from "../unpacking/skipped_warning.ts";
import { discardTree } from "../host/unmount.ts";
import type { ContentStore } from "../content/content_store.ts";
import { Semaphore } from "../host/semaphore.ts";
import { SingleFlight } from "../host/single_flight.ts";
import { TaskGroup } from "../host/task_group.ts";
import { chainIdsOf } from "./_chain_id.ts";
import { type Chain, type ChainDraft, ChainStore } from "./_chain_store.ts";
import type { ExtractedLayer } from "./extracted_layer.ts";
import { lowersOf } from "./_overlay_stack.ts";
import {
  extractOverlayLayer,
  type LayerExtraction,
  type OverlayNamespace,
} from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/** Options for {@linkcode OverlayLayerResolver}. */
export interface LayerResolverOptions {
  /** What the layers are mounted with, those that need their parents already when extracted. */
  readonly mounter: OverlayMounter;
  /** To whom the files belong. */
  readonly ownership: Ownership;
  /**
   * How many layers are extracted at once.
   *
   * @default Number of processors.
   */
  readonly jobs?: number | undefined;
  /** Stops the work. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each non-fatal problem. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /**
   * Extracts one layer.
   *
   * @default In this thread.
   */
  readonly extract?: LayerExtraction | undefined;
}

/** Extractions of this process, by directory and layer. */
const extractions = new SingleFlight();

/**
 * Extracts layers once, for all images and bundles that have them.
 *
 * **What a directory depends on.** A layer is extracted alone, its whiteouts converted to what
 * the overlay file system understands, without a look at the layers below. Then the directory
 * is a function of the layer's bytes, which its DiffID verifies, and of its namespace and owners:
 * these two are its key, and a whiteout hides a file of any parent it will ever lie over.
 *
 * Two kinds of layers are not complete alone: those with a hard link to a file of a lower layer,
 * and those that have something in a directory without saying what the directory is. Both show
 * when the layer is extracted, and their directory's key is the layer's ChainID, which names its
 * parents as well. A directory that the layer does not describe gets owner, mode and times from
 * its parents; where it is a symbolic link there, and where a hard link's target is missing, the
 * layer is extracted once more, over its parents, in an overlay of them.
 *
 * A directory appears under its name when its bytes have been verified and are on the disk.
 * However many tasks and processes want it, it is made once.
 */
export class OverlayLayerResolver {
  readonly #chains: ChainStore;
  readonly #options: LayerResolverOptions;
  readonly #limit: Semaphore;

  /** For a store. */
  constructor(store: ContentStore, options: LayerResolverOptions) {
    const { jobs = navigator.hardwareConcurrency } = options;
    this.#chains = new ChainStore(resolve(store.path), store.onWait);
    this.#options = options;
    this.#limit = new Semaphore(Math.max(1, jobs));
  }

  /**
   * Finds the directories of an image's layers, and makes those that are missing.
   *
   * @param image An image of the store; or one whose layers 'extract' brings there.
   * @returns The directories, the base first.
   * @throws {ExtractError} If a layer cannot be extracted.
   * @throws {DigestMismatchError} If a layer's blob is corrupt.
   * @throws {DiffIdMismatchError} If a layer unpacks to something else than the config says.
   */
  async resolve(image: Pick<RemoteImage, "layers">): Promise<readonly ExtractedLayer[]> {
    image.layers.forEach(({ descriptor }) => checkLayerType(descriptor));
    const tasks = new TaskGroup(this.#options.signal);
    const resolving: Promise<ExtractedLayer>[] = [];
    const chainIds = chainIdsOf(image.layers.map(({ diffId }) => diffId));
    for (const [i, layer] of image.layers.entries()) {
      const parents = resolving.slice();
      const chainId = chainIds[i] ?? layer.diffId;
      resolving.push(tasks.run(() => this.#resolve(layer, chainId, parents, tasks.signal)));
    }
    await tasks.join();
    return await Promise.all(resolving);
  }

  async #resolve(
    layer: RemoteLayer,
    chainId: Digest,
    parents: readonly Promise<ExtractedLayer>[],
    signal: AbortSignal,
  ): Promise<ExtractedLayer> {
    const { ownership, mounter: { namespace } } = this.#options;
    const kind = formatLayerKind(namespace, ownership);
    const alone = `layer ${layer.diffId} ${kind}`;
    const chained = `chain ${chainId} ${kind}`;
    // By ChainID, so that tasks with the same layer over other parents do not wait for each other.
    return await extractions.run(`${this.#chains.path} ${chained}`, {
      find: () => this.#chains.find(alone) ?? this.#chains.find(chained),
      work: () => this.#extract(layer, alone, chained, parents, signal),
      signal,
    });
  }

  async #extract(
    layer: RemoteLayer,
    alone: string,
    chained: string,
    parents: readonly Promise<ExtractedLayer>[],
    signal: AbortSignal,
  ): Promise<Chain> {
    const isBase = parents.length === 0;
    const extracted = await this.#limit.run(() => {
      return this.#extractAlone(layer, alone, chained, isBase, signal);
    }, signal);
    if (extracted !== undefined && "key" in extracted) return extracted;
    await using unsettled = extracted;
    // Not while this task keeps others from running: they may be the parents.
    const lowers = lowersOf(await Promise.all(parents));
    return await this.#limit.run(async () => {
      if (unsettled !== undefined) {
        const { draft, done } = unsettled;
        if (await this.#adopt(draft.path, lowers, done)) return await this.#publish(draft, done);
        await removeTree(draft.path);
        return await this.#extractOver(layer, draft, lowers, signal);
      }
      const begun = await this.#chains.begin(chained, signal);
      if ("key" in begun) return begun;
      await using draft = begun;
      return await this.#extractOver(layer, draft, lowers, signal);
    }, signal);
  }

  /**
   * Extracts a layer without its parents.
   *
   * @returns The layer; or what is not complete before its parents are known, under its chain's
   * name; or nothing, if it cannot be extracted without them.
   */
  async #extractAlone(
    layer: RemoteLayer,
    alone: string,
    chained: string,
    isBase: boolean,
    signal: AbortSignal,
  ): Promise<Chain | UnsettledLayer | undefined> {
    signal.throwIfAborted();
    const begun = await this.#chains.begin(alone, signal);
    if ("key" in begun) return begun;
    await using draft = begun;
    const { namespace } = this.#options.mounter;
    await makeDraftRoot(draft.path);
    let done: Extraction;
    try {
      done = await this.#run(layer, draft.path, signal, namespace);
    } catch (error) {
      // What its entries ask for may be in its parents.
      if (!isBase && error instanceof ExtractError) return undefined;
      throw error;
    }
    if (done.report.impliedDirectories.length === 0) return await this.#publish(draft, done);
    // Others with this layer may wait for its name, and this one for layers that they extract: from
    // here on it has the name of its chain. Whoever has that already may be waiting for this one.
    const begunChain = isBase
      ? await this.#chains.begin(chained, signal)
      : await this.#chains.tryBegin(chained);
    if (begunChain === undefined || "key" in begunChain) return begunChain;
    await using drafts = new AsyncDisposableStack();
    const chainDraft = drafts.use(begunChain);
    await Deno.rename(draft.path, chainDraft.path);
    // The base has no parents, and below an opaque root nothing of them is to be seen.
    if (isBase || done.report.opaqueRoot) return await this.#publish(chainDraft, done);
    const kept = drafts.move();
    return { draft: chainDraft, done, [Symbol.asyncDispose]: () => kept.disposeAsync() };
  }

  /** Gives directories that a layer does not describe what they are in its parents. */
  async #adopt(path: string, lowers: readonly string[], { report }: Extraction): Promise<boolean> {
    const { mounter } = this.#options;
    const [scratch, view] = [`${path}.work`, `${path}.view`];
    const writable = { upper: `${scratch}/upper`, work: `${scratch}/work` };
    for (const directory of [scratch, writable.upper, writable.work, view]) {
      await Deno.mkdir(directory);
    }
    await mounter.mount(lowers, view, writable);
    try {
      using tree = openFileTree(path);
      using below = openFileTree(view);
      return inheritMetadata(tree, below, report, { namespace: mounter.namespace });
    } finally {
      await discardTree(view, [view]);
      await removeTree(scratch);
    }
  }

  /** Extracts a layer into an overlay over its parents. */
  async #extractOver(
    layer: RemoteLayer,
    draft: ChainDraft,
    lowers: readonly string[],
    signal: AbortSignal,
  ): Promise<Chain> {
    const { path } = draft;
    const [work, view] = [`${path}.work`, `${path}.view`];
    await makeDraftRoot(path);
    await Deno.mkdir(work);
    await Deno.mkdir(view);
    await this.#options.mounter.mount(lowers, view, { upper: path, work });
    let done: Extraction;
    try {
      done = await this.#run(layer, view, signal);
    } finally {
      await discardTree(view, [view]);
    }
    await removeTree(work);
    // The kernel has written down what of the parents is hidden, in the root as elsewhere.
    return await this.#publish(draft, { ...done, report: { ...done.report, opaqueRoot: false } });
  }

  async #run(
    layer: RemoteLayer,
    root: string,
    signal: AbortSignal,
    namespace?: OverlayNamespace,
  ): Promise<Extraction> {
    const { ownership, onWarning, extract = extractOverlayLayer } = this.#options;
    const report = await extract(layer, root, { ownership, signal, namespace, onWarning });
    return { report, layer };
  }

  async #publish(
    draft: ChainDraft,
    { report, layer }: Extraction,
  ): Promise<Chain> {
    await syncFileSystem(draft.path);
    const { opaqueRoot, describesRoot } = report;
    const chain = await draft.publish({ opaqueRoot, describesRoot });
    warnOfSkipped(report, `layer ${layer.descriptor.digest}`, this.#options.onWarning);
    return chain;
  }
}

/** Changes when the extracted form of a layer does. */
const VERSION = 2;

/** Everything but the layer that the content of its directory depends on, as text. */
function formatLayerKind(namespace: OverlayNamespace, ownership: Ownership): string {
  const owner = typeof ownership === "string" ? ownership : JSON.stringify(ownership);
  return `${VERSION} ${namespace} ${owner}`;
}

/** Makes the directory that a layer is extracted into. */
async function makeDraftRoot(path: string): Promise<void> {
  await Deno.mkdir(path);
  // Not with the call above, whose mode the umask narrows.
  await Deno.chmod(path, 0o755);
}

interface Extraction {
  readonly report: ExtractReport;
  readonly layer: RemoteLayer;
}

/** A layer that is extracted but for what its parents say. */
interface UnsettledLayer extends AsyncDisposable {
  readonly draft: ChainDraft;
  readonly done: Extraction;
}
