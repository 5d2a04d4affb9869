import { assert, assertEquals, assertRejects } from "@std/assert";
import { formatReference, type ImageProgress, load, save } from "../../../mod.ts";
import { digestOf } from "../../../spec/mod.ts";
import { ContentStore, copyNamed, LayoutContent, StoreError } from "../../../store/mod.ts";
import { buildImage, buildIndex, type Built } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { memoryOf } from "./_pushed.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a"))], platform: "linux/amd64" });
const OTHER = buildImage({ layers: [tar(file("b", "b"))], platform: "linux/s390x" });
const INDEX = buildIndex([IMAGE, OTHER]);
const NAME = "h.io/app:1";

/** A directory with a store that has an image. */
async function makeScene(built: Built = INDEX) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir());
  const store = directory.join("store");
  const content = new LayoutContent(await ContentStore.open(store));
  await copyNamed(await memoryOf(built), content, built.descriptor, NAME);
  stack.move();
  return { directory, store, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

Deno.test.each<{ format: "oci-archive" | "docker-archive"; digest: string }>([
  { format: "oci-archive", digest: INDEX.descriptor.digest },
  { format: "docker-archive", digest: OTHER.descriptor.digest },
])("load() restores an image that save() wrote as $format", async ({ format, digest }) => {
  await using scene = await makeScene();
  const [path, store] = [scene.directory.join("a.tar"), scene.directory.join("other")];
  const [saving, loading]: ImageProgress[][] = [[], []];
  const platform = format === "docker-archive" ? "linux/s390x" : undefined;

  const saved = await save(NAME, path, {
    store: scene.store,
    format,
    platform,
    onProgress: (event) => saving?.push(event),
  });
  const loaded = await load(path, { store, onProgress: (event) => loading?.push(event) });

  assertEquals(saved.map(({ descriptor }) => descriptor.digest as string), [digest]);
  assertEquals(
    loaded.map(({ reference, descriptor }) => [
      reference && formatReference(reference),
      descriptor.digest as string,
    ]),
    [[NAME, digest]],
  );
  const content = new LayoutContent(await ContentStore.open(store));
  assert(await content.exists(OTHER.descriptor));
  for (const events of [saving, loading]) {
    const last = events?.at(-1);
    assertEquals([last?.kind, last?.phase, last?.bytes], ["total", "done", last?.total]);
  }
  assert(loading?.some(({ phase }) => phase === "verify"));
});

Deno.test("save() reports an image that the store lacks", async () => {
  await using scene = await makeScene();
  const path = scene.directory.join("a.tar");

  await assertRejects(
    () => save([NAME, "h.io/none:1"], path, { store: scene.store }),
    StoreError,
    'Cannot save "h.io/none:1": the store does not have it',
  );

  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
});

Deno.test("save() and load() stop with the signal's reason and change nothing", async () => {
  await using scene = await makeScene();
  const [path, store] = [scene.directory.join("a.tar"), scene.directory.join("other")];
  const reason = new Error("enough");
  const stopping = () => {
    const controller = new AbortController();
    return { signal: controller.signal, onProgress: () => controller.abort(reason) };
  };

  const saved = await assertRejects(() => save(NAME, path, { store: scene.store, ...stopping() }));
  await assertRejects(() => Deno.lstat(path), Deno.errors.NotFound);
  await save(NAME, path, { store: scene.store });
  const loaded = await assertRejects(() => load(path, { store, ...stopping() }));

  assertEquals([saved, loaded], [reason, reason]);
  assertEquals(await (await ContentStore.open(store)).references(), []);
});

Deno.test("save() and load() call the hooks of a copy", async () => {
  await using scene = await makeScene(IMAGE);
  const [path, store] = [scene.directory.join("a.tar"), scene.directory.join("other")];
  const bytes = tar(file("changed", "by a hook"));
  const seen: string[] = [];
  const [layer] = IMAGE.layers;

  await save(NAME, path, {
    store: scene.store,
    after: ({ descriptor }) => void seen.push(descriptor.digest),
  });
  const [loaded] = await load(path, {
    store,
    before: ({ descriptor }) => {
      if (descriptor.digest !== layer?.descriptor.digest) return;
      return {
        descriptor: { ...descriptor, digest: digestOf(bytes), size: bytes.length },
        open: () => Promise.resolve(new Blob([bytes]).stream()),
      };
    },
  });

  assertEquals(seen.toSorted(), [...IMAGE.blobs.keys()].toSorted());
  assert(loaded !== undefined && loaded.descriptor.digest !== IMAGE.descriptor.digest);
  const changed = await ContentStore.open(store);
  assertEquals(
    await changed.resolve(NAME).then((found) => found?.digest),
    loaded.descriptor.digest,
  );
  assert(await changed.verify({ digest: digestOf(bytes) }));
});

Deno.test("load() repairs an image whose blobs are missing", async () => {
  await using scene = await makeScene(IMAGE);
  const path = scene.directory.join("a.tar");
  await save(NAME, path, { store: scene.store });
  const store = await ContentStore.open(scene.store);
  for (const { descriptor } of IMAGE.layers) await Deno.remove(store.blobPath(descriptor.digest));

  await load(path, { store: scene.store });

  for (const { descriptor } of IMAGE.layers) assert(await store.verify(descriptor));
});
