import type { Digest } from "../../spec/digest.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";

/**
 * Maximum number of remembered entries, more than any push has in flight. The oldest are dropped.
 */
const MAX_REMEMBERED = 65_536;

/**
 * Pushes that the references of the store do not reflect: blobs whose manifest has not been pushed
 * yet, and manifests that have lost their tag.
 */
export class PushedContent {
  /** Pushed content by repository and digest. */
  readonly #added = new Map<string, { readonly repository: string; readonly blob: Descriptor }>();

  /** Returns every repository with pushed content. */
  repositories(): readonly string[] {
    return [...new Set([...this.#added.values()].map(({ repository }) => repository))];
  }

  /** Returns the content pushed to a repository. */
  of(name: string): readonly Descriptor[] {
    return [...this.#added.values()].filter(({ repository }) => repository === name)
      .map(({ blob }) => blob);
  }

  /** Returns the content pushed to any repository. */
  all(): readonly Descriptor[] {
    return [...this.#added.values()].map(({ blob }) => blob);
  }

  /** Returns content pushed to a repository, by digest. */
  get(repository: string, digest: Digest): Descriptor | undefined {
    return this.#added.get(keyOf(repository, digest))?.blob;
  }

  /** Remembers pushed content. */
  add(repository: string, blob: Descriptor): void {
    const key = keyOf(repository, blob.digest);
    this.#added.delete(key);
    this.#added.set(key, { repository, blob });
    const [oldest] = this.#added.keys();
    if (this.#added.size > MAX_REMEMBERED && oldest !== undefined) this.#added.delete(oldest);
  }

  /** Forgets deleted content. */
  delete(repository: string, digest: Digest): void {
    this.#added.delete(keyOf(repository, digest));
  }
}

function keyOf(repository: string, digest: Digest): string {
  return `${repository}@${digest}`;
}
