import type { RemoteImage } from "../../spec/image/image.ts";
import type { Expectation } from "../../spec/verifier.ts";
import { unlessUnwritable } from "../host/file_lock.ts";
import type { ContentStore } from "./content_store.ts";
// Always needed here. Loading it with this module saves a later import.
import "./hold.ts";
import type { Hold } from "./hold.ts";

/** Content found in a store, which is not pruned until this is disposed of. */
export interface Held<T> extends Disposable {
  readonly found: T;
  /** The protection; `undefined` in a store that this process cannot write to. */
  readonly hold: Hold | undefined;
}

/** Options for {@linkcode findHeld}. */
export interface FindHeldOptions<T> {
  /** Returns the blobs that the store must have; none for content that is not stored yet. */
  readonly blobsOf: (found: T) => readonly Expectation[];
  /** Result of an earlier lookup of the same content, to begin with. */
  readonly first?: T | undefined;
  /**
   * Other content whose protection is extended: each protection takes an open file.
   *
   * By default, a new one begins.
   */
  readonly with?: Held<unknown> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds content and protects it against pruning.
 *
 * Another process may prune between the lookup and the start of the protection. If a blob is missing
 * by then, `find` is called again.
 *
 * @param find Looks up the content.
 * @returns The result, and the protection, which also covers blobs that are stored later.
 */
export async function findHeld<T>(
  store: ContentStore,
  find: () => Promise<T>,
  { blobsOf, signal, ...options }: FindHeldOptions<T>,
): Promise<Held<T>> {
  let found = options.first ?? await find();
  using stack = new DisposableStack();
  const own = options.with ? undefined : await unlessUnwritable(() => store.hold(signal));
  stack.use(own);
  const hold = own ?? options.with?.hold;
  while (hold !== undefined && !await protect(store, hold, blobsOf(found))) found = await find();
  const held = stack.move();
  return { found, hold, [Symbol.dispose]: () => held.dispose() };
}

/** Returns the documents and layers of an image. */
export function blobsOfImage(
  { indexes, manifest, config, layers }: Pick<
    RemoteImage,
    "indexes" | "manifest" | "config" | "layers"
  >,
): readonly Expectation[] {
  return [...indexes, manifest, config, ...layers].map(({ descriptor }) => descriptor);
}

/** Holds blobs. Returns `false` if one was pruned before the hold began. */
async function protect(
  store: ContentStore,
  hold: Hold,
  blobs: readonly Expectation[],
): Promise<boolean> {
  let isNew = false;
  await unlessUnwritable(async () => {
    isNew = await hold.add(...blobs.map(({ digest }) => digest));
  });
  // Blobs that were held during the lookup have not been pruned since.
  if (!isNew) return true;
  const there = await Promise.all(blobs.map((blob) => store.has(blob)));
  return !there.includes(false);
}
