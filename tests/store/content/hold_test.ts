import { assert, assertEquals, assertRejects } from "@std/assert";
import { digestOf } from "../../../spec/mod.ts";
import { heldDigests } from "../../../store/content/hold.ts";
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

Deno.test("ContentStore.hold() reports that the store was removed", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("store");
  const store = await ContentStore.open(path);
  (await store.hold())?.[Symbol.dispose]();
  await Deno.remove(path, { recursive: true });

  const error = await assertRejects(() => store.hold(), StoreError, "was removed");

  assertEquals(error.code, "not-a-store");
});
