import type { ContentOptions, NamedTarget } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";

/** A target that looks for content at another one, and stores nothing. */
export class DryTarget implements NamedTarget {
  readonly #target: NamedTarget;

  constructor(target: NamedTarget) {
    this.#target = target;
  }

  async exists(descriptor: Descriptor, options?: ContentOptions): Promise<boolean> {
    return await this.#target.exists(descriptor, options);
  }

  async push(): Promise<void> {}

  async resolve(name: string, options?: ContentOptions): Promise<Descriptor | undefined> {
    return await this.#target.resolve(name, options);
  }

  async tag(): Promise<void> {}
}
