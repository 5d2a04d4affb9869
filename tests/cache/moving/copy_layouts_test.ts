import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, NotFoundError } from "../../../mod.ts";
import { ContentStore, StoreError } from "../../../store/mod.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { AMD64, ARM64, INDEX } from "../../_support/two_platforms.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { makeScene, SIGNATURE } from "./_copy_scene.ts";
import { pushBuilt } from "./_pushed.ts";

Deno.test("copy() keeps an image in the store, and downloads nothing twice", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const options = { client: scene.client, store: directory.path, keep: true, withReferrers: true };

  const { descriptor } = await copy(scene.from, scene.to, options);
  scene.source.forget();
  await copy(scene.from, `${scene.target.host}/e/f:v3`, options);

  assertEquals(descriptor, INDEX.descriptor);
  assertEquals(scene.source.seen().filter((line) => line.includes("/blobs/")), []);
  const store = await ContentStore.open(directory.path);
  assertEquals((await store.resolve(scene.from))?.digest, INDEX.descriptor.digest);
  for (const { descriptor } of [...INDEX.blobs.values(), SIGNATURE]) {
    assert(await store.verify(descriptor));
  }
  for (const name of ["c/d", "e/f"]) {
    const found = await scene.target.content.resolve(name, SIGNATURE.descriptor.digest);
    assertEquals(found?.digest, SIGNATURE.descriptor.digest);
  }
});

Deno.test("copy() keeps the index of a platform in the store", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();

  const { descriptor } = await copy(scene.from, scene.to, {
    client: scene.client,
    store: directory.path,
    keep: true,
    platforms: ["linux/arm64"],
  });

  assertEquals(descriptor.digest, ARM64.descriptor.digest);
  const store = await ContentStore.open(directory.path);
  assertEquals((await store.resolve(scene.from))?.digest, INDEX.descriptor.digest);
  assertEquals(await store.has(AMD64.descriptor.digest), false);
});

Deno.test("copy() leaves no new layout if nothing of the image could be fetched", async () => {
  await using source = writableRegistry({
    interfere: (request, next) => {
      const isBlob = request.method === "GET" && request.url.includes("/blobs/");
      return isBlob ? new Response(null, { status: 404 }) : next();
    },
  });
  await using directory = await makeTempDir();
  using client = testClient();
  await pushBuilt(source, "a:1", AMD64);
  const layout = `oci:${directory.join("new/layout")}:v1`;

  await assertRejects(() => copy(`${source.host}/a:1`, layout, { client }), NotFoundError);

  assertEquals(await Array.fromAsync(Deno.readDir(directory.path)), []);
});

Deno.test("copy() copies to a layout and back", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const layout = `oci:${directory.join("layout")}:v1`;
  const { client } = scene;

  await copy(scene.from, layout, { client, withReferrers: true });
  const { descriptor } = await copy(layout, scene.to, { client, withReferrers: true });

  assertEquals(descriptor.digest, INDEX.descriptor.digest);
  const referrers = await scene.target.content.referrers("c/d", INDEX.descriptor.digest);
  assertEquals(referrers.length, 1);
});

Deno.test("copy() lists an image without a name in the layout", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const path = directory.join("layout");

  await copy(scene.from, `oci:${path}`, { client: scene.client });

  const store = await ContentStore.open(path);
  assertEquals(await store.references(), []);
  assertEquals((await store.descriptors()).map(({ digest }) => digest), [INDEX.descriptor.digest]);
});

Deno.test("copy() creates no layout in a dry run, or if the source is missing", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const layout = `oci:${directory.join("layout")}:v1`;
  const { client, from, source } = scene;

  const { copied } = await copy(from, layout, { client, dryRun: true });
  await assertRejects(() => copy(`${source.host}/a/b:none`, layout, { client }), NotFoundError);

  assertEquals(copied, INDEX.blobs.size);
  assertEquals(await Array.fromAsync(Deno.readDir(directory.path)), []);
});

Deno.test("copy() names the directory that cannot become a layout", async () => {
  await using scene = await makeScene();
  await using directory = await makeTempDir();
  const path = directory.join("file");
  await Deno.writeTextFile(path, "");

  const error = await assertRejects(
    () => copy(scene.from, `oci:${path}:v1`, { client: scene.client }),
    StoreError,
    `Cannot write an OCI layout to "${path}": it is not a directory`,
  );

  assertEquals(error.code, "output");
});
