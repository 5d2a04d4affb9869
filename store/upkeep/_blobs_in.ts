import { WorkTurn } from "../../layer/trees/work_turn.ts";
import { type Digest, DIGEST_ALGORITHMS, isDigest } from "../../spec/digest.ts";

/** Yields the names in a directory, none if it does not exist. Other tasks get turns meanwhile. */
export async function* eachName(
  directory: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<string> {
  const turn = new WorkTurn();
  try {
    // Unlike `readDirSync()`, it reads a directory of very many files in another thread.
    for await (const { name } of Deno.readDir(directory)) {
      if (turn.isOver()) await turn.next(signal);
      yield name;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Returns whether a store has a blob. */
export async function hasBlob(store: string, signal: AbortSignal | undefined): Promise<boolean> {
  for await (const _ of eachBlob(store, signal)) return true;
  return false;
}

/** Yields the digests of the blobs in a store. */
async function* eachBlob(
  store: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Digest> {
  for (const algorithm of DIGEST_ALGORITHMS) {
    for await (const name of eachName(`${store}/blobs/${algorithm}`, signal)) {
      const digest = `${algorithm}:${name}`;
      if (isDigest(digest)) yield digest;
    }
  }
}

/** Lists the digests of the blobs in a store, sorted by algorithm and hash. */
export async function blobsIn(
  store: string,
  signal: AbortSignal | undefined,
): Promise<readonly Digest[]> {
  // Sorting very many digests at once would take seconds.
  const groups = new Map<string, Digest[]>();
  for await (const digest of eachBlob(store, signal)) {
    groups.getOrInsertComputed(digest.slice(0, "sha256:00".length), () => []).push(digest);
  }
  const turn = new WorkTurn();
  const sorted: Digest[] = [];
  for (const start of [...groups.keys()].sort()) {
    for (const digest of groups.get(start)?.sort() ?? []) {
      if (turn.isOver()) await turn.next(signal);
      sorted.push(digest);
    }
  }
  return sorted;
}
