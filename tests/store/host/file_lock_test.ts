import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { lockFile, tryLockFile } from "../../../store/host/file_lock.ts";
import { ContentStore, LockUnsupportedError } from "../../../store/mod.ts";
import { LayerDrafts } from "../../../store/overlay/_layer_drafts.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { makeTempDir } from "../../_support/temp.ts";

const { descriptor, bytes } = randomBlob(10);
const PART = `ingest/${descriptor.digest.replace(":", "-")}.part`;

/** Holds the lock of a file as another process would. */
async function hold(path: string): Promise<Deno.FsFile> {
  await Deno.mkdir(path.replace(/\/[^/]*$/, ""), { recursive: true });
  const file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  return file;
}

const tag = (store: ContentStore, signal?: AbortSignal) => {
  return store.tag("example.com/a:1", descriptor, signal);
};
const put = (store: ContentStore, signal?: AbortSignal) => {
  return store.putBytes(descriptor, bytes, signal);
};

Deno.test.each<{ name: string; lock: string; change: (store: ContentStore) => Promise<unknown> }>([
  { name: "tag()", lock: "locks/index.lock", change: tag },
  { name: "putBytes()", lock: PART, change: put },
])("$name reports that it waits for another process, and waits", async ({ lock, change }) => {
  await using directory = await makeTempDir();
  const path = directory.join(lock);
  const waiting = Promise.withResolvers<string>();
  const store = await ContentStore.open(directory.path, { onWait: waiting.resolve });
  if (change === tag) await put(store);
  const holder = await hold(path);

  const changed = change(store);
  const message = await waiting.promise;
  holder.close();

  assertEquals(message, `Waiting for another process, which holds "${path}"`);
  await changed;
});

Deno.test("LayerDrafts reports another process that extracts the same layer", async () => {
  await using directory = await makeTempDir();
  const waiting = Promise.withResolvers<string>();
  const first = await new LayerDrafts(directory.path).begin("key", undefined);
  assert("publish" in first);

  const second = new LayerDrafts(directory.path, waiting.resolve).begin("key", undefined);
  const message = await waiting.promise;
  await first[Symbol.asyncDispose]();

  assertStringIncludes(message, "Waiting for another process, which holds");
  const draft = await second;
  assert("publish" in draft);
  await draft[Symbol.asyncDispose]();
});

Deno.test.each<
  { name: string; lock: string; change: (store: ContentStore, s: AbortSignal) => Promise<unknown> }
>([
  { name: "tag()", lock: "locks/index.lock", change: tag },
  { name: "putBytes()", lock: PART, change: put },
  { name: "putBytes() into a new store", lock: "locks/index.lock", change: put },
])("$name stops waiting for another process with its signal", async ({ lock, change }) => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  if (change === tag) await put(store);
  using _holder = await hold(directory.join(lock));
  const stop = new AbortController();

  const changed = change(store, stop.signal);
  stop.abort(new Error("stop"));

  await assertRejects(() => changed, Error, "stop");
});

Deno.test("ContentStore names a file system without locks", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const { tryLockSync } = Deno.FsFile.prototype;
  Deno.FsFile.prototype.tryLockSync = () => {
    throw new Error("No locks available");
  };
  try {
    const error = await assertRejects(() => put(store), LockUnsupportedError);

    assertStringIncludes(error.message, `Cannot lock "${directory.path}`);
    assertStringIncludes(error.message, "Choose a store on a local disk");
    const isKnown = Deno.build.os === "linux";
    assertEquals(isKnown, error.message.includes(`(${error.fileSystem})`));
  } finally {
    Deno.FsFile.prototype.tryLockSync = tryLockSync;
  }
});

Deno.test("lockFile() shares a lock between holders of a shared lock", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("lock");
  using _first = await lockFile(path, { shared: true });

  using second = await tryLockFile(path, true);
  const exclusive = await tryLockFile(path);

  assert(second !== undefined);
  assertEquals(exclusive, undefined);
});
