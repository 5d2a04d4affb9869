import { ContentStore } from "../content/content_store.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { LayoutContent } from "./layout_content.ts";

/** Writes images into an OCI layout in a directory. Each name is recorded when it is given. */
export class LayoutWriter extends LayoutContent implements AsyncDisposable {
  readonly #layout: ContentStore;

  private constructor(layout: ContentStore) {
    super(layout);
    this.#layout = layout;
  }

  /** Opens the layout in a directory, which may be empty or absent. */
  static async create(path: string): Promise<LayoutWriter> {
    return new LayoutWriter(await ContentStore.open(path));
  }

  /** Lists a document without a name. */
  async keep(descriptor: Descriptor): Promise<void> {
    await this.#layout.keep(descriptor);
  }

  /** Does nothing: the layout is complete. */
  commit(): Promise<void> {
    return Promise.resolve();
  }

  /** Does nothing: nothing is open. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
