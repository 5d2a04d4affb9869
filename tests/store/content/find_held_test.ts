import { assert, assertEquals, assertRejects } from "@std/assert";
import { findHeld } from "../../../store/content/find_held.ts";
import { ContentStore, copyNamed, LayoutContent, prune } from "../../../store/mod.ts";
import { buildImage, buildIndex, putBlobs } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a"))] });
const OTHER = buildImage({ layers: [tar(file("b", "b"))], platform: "linux/arm64" });
const BLOBS = [...IMAGE.blobs.values()].map(({ descriptor }) => descriptor);

Deno.test("findHeld() repeats a lookup whose content is pruned before it is protected", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  const other = await ContentStore.open(directory.path);
  let count = 0;
  const find = async () => {
    await putBlobs(other, IMAGE);
    // Another process is faster.
    if (++count === 1) await prune(other);
    return count;
  };

  using held = await findHeld(store, find, { blobsOf: () => BLOBS });

  assertEquals(held.found, 2);
  await prune(other);
  assert(await store.has(IMAGE.descriptor));
});

Deno.test("findHeld() protects content until its result is disposed of", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  await putBlobs(store, IMAGE);

  const held = await findHeld(store, () => Promise.resolve(), {
    blobsOf: () => [IMAGE.descriptor],
  });
  // A document protects what it references.
  assertEquals((await prune(await ContentStore.open(directory.path))).removed, []);
  held[Symbol.dispose]();

  assertEquals((await prune(store)).removed.length, BLOBS.length);
});

Deno.test("findHeld() extends an earlier protection, without another open file", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.path);
  for (const image of [IMAGE, OTHER]) await putBlobs(store, image);
  const find = () => Promise.resolve();

  const first = await findHeld(store, find, { blobsOf: () => [IMAGE.descriptor] });
  const second = await findHeld(store, find, { blobsOf: () => [OTHER.descriptor], with: first });
  assertEquals((await namesIn(directory.join("locks/holds"))).length, 1);
  second[Symbol.dispose]();
  assertEquals((await prune(await ContentStore.open(directory.path))).removed, []);
  first[Symbol.dispose]();

  const { size } = new Set([...IMAGE.blobs.keys(), ...OTHER.blobs.keys()]);
  assertEquals((await prune(store)).removed.length, size);
});

Deno.test("findHeld() leaves missing content to the caller", async () => {
  await using store = await makeTempStore();

  using held = await findHeld(store, () => Promise.resolve("found"), { blobsOf: () => BLOBS });

  assertEquals(held.found, "found");
});

Deno.test("findHeld() leaves no hold if the lookup fails", async () => {
  await using directory = await makeTempDir();
  const store = await ContentStore.open(directory.join("store"));
  const find = () => Promise.reject(new Error("not found"));

  await assertRejects(() => findHeld(store, find, { blobsOf: () => BLOBS }), Error, "not found");

  await assertRejects(() => Deno.lstat(store.path), Deno.errors.NotFound);
});

Deno.test("copyNamed() protects unnamed content at the target while another process prunes", async () => {
  await using directory = await makeTempDir();
  const [source, target, other] = await Promise.all(["from", "to", "to"].map((name) => {
    return ContentStore.open(directory.join(name));
  }));
  assert(source !== undefined && target !== undefined && other !== undefined);
  const index = buildIndex([IMAGE, OTHER]);
  await putBlobs(source, index);
  await putBlobs(target, IMAGE);
  using _hold = await target.hold();
  const contents = [new LayoutContent(source), new LayoutContent(target)] as const;

  await copyNamed(...contents, index.descriptor, "a.example/b:1", {
    jobs: 1,
    skipped: async ({ digest }) => {
      if (digest === IMAGE.descriptor.digest) await prune(other);
    },
  });

  for (const { descriptor } of index.blobs.values()) assert(await target.has(descriptor));
});
