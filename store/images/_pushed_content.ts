import type { Descriptor } from "../../spec/descriptor.ts";
import type { Digest } from "../../spec/digest.ts";

/** More than any push has in flight; the oldest are forgotten first. */
const MAX_REMEMBERED = 65_536;

/**
 * What clients have pushed to repositories and deleted from them, as far as no reference of the
 * store says so: blobs whose manifest has not come yet, manifests that have lost their tag, and
 * content that is hidden though something refers to it.
 */
export class PushedContent {
  /** By repository and digest. */
  readonly #added = new Map<string, { readonly repository: string; readonly blob: Descriptor }>();
  readonly #hidden = new Set<string>();

  /** Every repository that something was pushed to. */
  repositories(): readonly string[] {
    return [...new Set([...this.#added.values()].map(({ repository }) => repository))];
  }

  /** What was pushed to a repository. */
  of(name: string): readonly Descriptor[] {
    return [...this.#added.values()].filter(({ repository }) => repository === name)
      .map(({ blob }) => blob);
  }

  /** What was pushed to any repository. */
  all(): readonly Descriptor[] {
    return [...this.#added.values()].map(({ blob }) => blob);
  }

  /** Something that was pushed to a repository, by its digest. */
  get(repository: string, digest: Digest): Descriptor | undefined {
    return this.#added.get(keyOf(repository, digest))?.blob;
  }

  /** Remembers something that was pushed. */
  add(repository: string, blob: Descriptor): void {
    const key = keyOf(repository, blob.digest);
    this.#hidden.delete(key);
    this.#added.delete(key);
    this.#added.set(key, { repository, blob });
    const [oldest] = this.#added.keys();
    if (this.#added.size > MAX_REMEMBERED && oldest !== undefined) this.#added.delete(oldest);
  }

  /** Forgets something that was deleted, and hides it from whatever still refers to it. */
  hide(repository: string, digest: Digest): void {
    const key = keyOf(repository, digest);
    this.#added.delete(key);
    this.#hidden.add(key);
    const [oldest] = this.#hidden;
    if (this.#hidden.size > MAX_REMEMBERED && oldest !== undefined) this.#hidden.delete(oldest);
  }

  /** Whether something was deleted from a repository, and not pushed again. */
  isHidden(repository: string, digest: Digest): boolean {
    return this.#hidden.has(keyOf(repository, digest));
  }
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`;
}
