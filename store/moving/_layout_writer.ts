import { ContentStore } from "../content/content_store.ts";
import type { Hold } from "../content/hold.ts";
import { lstatIfAny } from "../host/durable.ts";
import { removeTree } from "../host/remove_tree.ts";
import type { OpenContent, PushContentOptions } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { StoreError } from "../errors.ts";
import { LayoutContent } from "./layout_content.ts";

/** Directories that only a store uses. */
const STORE_FOLDERS = ["ingest", "locks", "verified"];

/**
 * Writes images into an OCI layout in a directory. Each name is recorded when it is given. A new
 * layout is created with the first content, so that a source that fails leaves no empty one.
 */
export class LayoutWriter extends LayoutContent implements AsyncDisposable {
  readonly #layout: ContentStore;
  readonly #isNew: boolean;
  readonly #signal: AbortSignal | undefined;
  #hold: Promise<Hold | undefined> | undefined;

  private constructor(layout: ContentStore, isNew: boolean, signal: AbortSignal | undefined) {
    super(layout);
    this.#layout = layout;
    this.#isNew = isNew;
    this.#signal = signal;
  }

  /** Opens the layout in a directory, which may be empty or absent. */
  static async create(path: string, signal?: AbortSignal): Promise<LayoutWriter> {
    const isNew = lstatIfAny(`${path}/oci-layout`) === undefined;
    const writer = new LayoutWriter(await openTarget(path), isNew, signal);
    // It may be a store, whose content must not be pruned meanwhile.
    if (!isNew) await writer.#begin();
    return writer;
  }

  /** Stores a document or a blob. */
  override async push(
    descriptor: Descriptor,
    open: OpenContent,
    options?: PushContentOptions,
  ): Promise<void> {
    await this.#begin();
    await super.push(descriptor, open, options);
  }

  /** Lists a document without a name. */
  async keep(descriptor: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.#layout.keep(descriptor, signal);
  }

  /** Removes the folders of a store from a new layout, which is made for other programs. */
  async commit(): Promise<void> {
    for (const folder of this.#isNew ? STORE_FOLDERS : []) {
      await removeTree(`${this.#layout.path}/${folder}`);
    }
  }

  /** Ends the protection against pruning. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      (await this.#hold)?.[Symbol.dispose]();
    } catch {
      // It never began, which the first write has reported.
    }
  }

  /** Protects content without a name against pruning. */
  async #begin(): Promise<void> {
    await (this.#hold ??= this.#layout.hold(this.#signal));
  }
}

/** Opens a layout; errors speak of the target of a copy rather than of a store. */
async function openTarget(path: string): Promise<ContentStore> {
  try {
    return await ContentStore.open(path);
  } catch (cause) {
    if (!(cause instanceof StoreError)) throw cause;
    const action = `write an OCI layout to "${path}"`;
    const { problem, advice } = cause;
    throw new StoreError(problem, path, { code: "output", action, advice, cause });
  }
}
