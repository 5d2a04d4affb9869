import { ContentStore } from "../content/content_store.ts";
import type { Hold } from "../content/hold.ts";
import { lstatIfAny } from "../host/durable.ts";
import { removeTree } from "../host/remove_tree.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { LayoutContent } from "./layout_content.ts";

/** Folders that are only of use to a store. */
const STORE_FOLDERS = ["ingest", "locks", "verified"];

/** Writes images into an OCI layout in a directory. Each name is recorded when it is given. */
export class LayoutWriter extends LayoutContent implements AsyncDisposable {
  readonly #layout: ContentStore;
  readonly #isNew: boolean;
  readonly #hold: Hold | undefined;

  private constructor(layout: ContentStore, isNew: boolean, hold: Hold | undefined) {
    super(layout);
    this.#layout = layout;
    this.#isNew = isNew;
    this.#hold = hold;
  }

  /** Opens the layout in a directory, which may be empty or absent. */
  static async create(path: string, signal?: AbortSignal): Promise<LayoutWriter> {
    const isNew = lstatIfAny(`${path}/oci-layout`) === undefined;
    const layout = await ContentStore.open(path);
    // It may be a store, and what has no name yet must not be pruned.
    return new LayoutWriter(layout, isNew, await layout.hold(signal));
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
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#hold?.[Symbol.dispose]());
  }
}
