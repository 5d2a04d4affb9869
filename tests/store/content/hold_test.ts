import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestOf } from "../../../spec/mod.ts";
import { heldDigests, lockPruning } from "../../../store/content/hold.ts";
import { ContentStore, StoreError } from "../../../store/mod.ts";
import { mountSmallDisk, mountTest } from "../../_support/mounting.ts";
import { makeTempDir } from "../../_support/temp.ts";

mountTest("Hold.add() protects a blob after a full disk cut off a digest", async () => {
  await using directory = await makeTempDir();
  using _disk = mountSmallDisk(directory.path, 256 * 1024);
  const store = await ContentStore.open(directory.path);
  using hold = await store.hold();
  // The page of the file is full in the middle of the last of these digests.
  const [first, last, ...others] = Array.from({ length: 58 }, (_, i) => digestOf(Uint8Array.of(i)));
  assert(hold !== undefined && first !== undefined && last !== undefined);
  await hold.add(first);
  await fill(directory.join("filler"));

  await assertRejects(() => hold.add(...others));
  await Deno.remove(directory.join("filler"));
  await hold.add(last);

  assert((await heldDigests(store.path)).has(last));
});

/** Writes a file until the disk is full. */
async function fill(path: string): Promise<void> {
  using file = await Deno.open(path, { write: true, createNew: true });
  await assertRejects(async () => {
    for (;;) await file.write(new Uint8Array(4096));
  });
}

Deno.test("ContentStore.hold() creates a store again that was removed", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("store");
  const store = await ContentStore.open(path);
  (await store.hold())?.[Symbol.dispose]();
  await Deno.remove(path, { recursive: true });

  using hold = await store.hold();

  assert(hold);
  assertEquals(await store.references(), []);
});

Deno.test("ContentStore.hold() reports that the store is removed while it waits", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("store");
  const store = await ContentStore.open(path);
  (await store.hold())?.[Symbol.dispose]();
  const lock = await lockPruning(path, "prune");
  const { promise: waiting, resolve } = Promise.withResolvers<void>();
  const waiter = await ContentStore.open(path, { onWait: () => resolve() });
  const held = assertRejects(() => waiter.hold(), StoreError, "was removed");
  await waiting;

  await Deno.remove(path, { recursive: true });
  lock[Symbol.dispose]();

  assertEquals((await held).code, "not-a-store");
});
