import type { OpenContent, PushContentOptions } from "../../spec/content.ts";
import type { Descriptor } from "../../spec/descriptor.ts";
import { ContentStore } from "../content/content_store.ts";

/** Writes images into an OCI layout in a directory. */
export class LayoutWriter implements AsyncDisposable {
  readonly #layout: ContentStore;

  private constructor(layout: ContentStore) {
    this.#layout = layout;
  }

  /** Opens the layout in a directory, which may be empty or absent. */
  static async create(path: string): Promise<LayoutWriter> {
    return new LayoutWriter(await ContentStore.open(path));
  }

  /** Stores a document or a blob, verified. */
  async push(
    descriptor: Descriptor,
    open: OpenContent,
    { signal, onBytes }: PushContentOptions = {},
  ): Promise<void> {
    await this.#layout.ingest(descriptor, open, { signal });
    onBytes?.(descriptor.size);
  }

  /** Gives a name to a document. */
  async tag(name: string, descriptor: Descriptor): Promise<void> {
    await this.#layout.tag(name, descriptor);
  }

  /** Lists a document without a name. */
  async keep(descriptor: Descriptor): Promise<void> {
    await this.#layout.keep(descriptor);
  }

  /** Nothing is left to do: each name is recorded when it is given. */
  commit(): Promise<void> {
    return Promise.resolve();
  }

  /** Nothing is open. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
