// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Pulls with a custom cache for the digests of references: a map in memory. The second call does
 * not ask the registry.
 *
 *     deno run -A examples/hash_cache.ts alpine:3.20
 */
import {
  CachingPuller,
  ContentStore,
  type Digest,
  formatReference,
  type HashCache,
  LayoutImageCache,
  parseReference,
  RemoteClient,
  storeDirectory,
} from "@x/oci";

class MemoryHashCache implements HashCache {
  readonly #digests = new Map<string, Digest>();

  hash(reference: Parameters<HashCache["hash"]>[0]): Promise<Digest | undefined> {
    return Promise.resolve(this.#digests.get(formatReference(reference)));
  }

  writeHash(reference: Parameters<HashCache["writeHash"]>[0], digest: Digest): Promise<void> {
    this.#digests.set(formatReference(reference), digest);
    return Promise.resolve();
  }
}

const reference = parseReference(Deno.args[0] ?? "alpine:3.20");
const images = new LayoutImageCache(await ContentStore.open(storeDirectory()));
using client = new RemoteClient();
const puller = new CachingPuller(new MemoryHashCache(), images, client);
for (const attempt of ["first", "second"]) {
  const { digest } = await puller.image(reference, {
    platform: "linux/amd64",
    pullPolicy: "IfNotPresent",
  });
  console.log(attempt, digest);
}
