import { assert, assertEquals, assertRejects } from "@std/assert";
import { OciError } from "../../../spec/mod.ts";
import { tarballsOf } from "../../../store/content/tarballs.ts";
import { StoreFileError, UntrustedStoreError } from "../../../store/mod.ts";
import { openTarball } from "../../../store/uncompressed/_open_tarball.ts";
import { mountSmallDisk, mountTest } from "../../_support/mounting.ts";
import { file, tar } from "../../_support/tar.ts";
import { assertUntouched, PLANTED_DIRECTORIES, PLANTED_FILES, plantedTest } from "../_planted.ts";
import { makeStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const TAR = tar(file("a", "x"));

/** A store with an image of one compressed layer, and an empty directory. */
async function makeTarballs() {
  const test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [{ tar: TAR, compression: "gzip" }] });
  const [layer] = image.layers;
  assert(layer !== undefined);
  const aside = test.directory.join("aside");
  await Deno.mkdir(aside);
  return {
    aside,
    path: test.path,
    tarball: tarballsOf(test).pathOf(layer.diffId),
    open: async () => {
      const { compressed } = await openTarball(test.store, layer);
      return await new Response(await compressed()).bytes();
    },
    [Symbol.asyncDispose]: () => test[Symbol.asyncDispose](),
  };
}

for (const folder of ["tarballs", "tarballs/sha256", "tarballs/verified"]) {
  plantedTest(
    PLANTED_DIRECTORIES,
    (what) => `openTarball() refuses ${what} at ${folder}`,
    async ({ plant }) => {
      await using test = await makeTarballs();
      if (folder !== "tarballs") await Deno.mkdir(`${test.path}/tarballs`);
      await plant(`${test.path}/${folder}`, test.aside);

      await assertRejects(() => test.open(), UntrustedStoreError, `${test.path}/${folder}`);

      await assertUntouched(test.aside);
    },
  );
}

plantedTest(
  PLANTED_FILES,
  (what) => `openTarball() writes to no ${what.replace(/^an? /, "")} at a part`,
  async ({ plant }) => {
    await using test = await makeTarballs();
    await test.open();
    await Deno.remove(test.tarball);
    await plant(`${test.tarball}.part`, test.aside);

    // A regular file is replaced. Anything else stays.
    if ((await Deno.lstat(`${test.tarball}.part`)).isFile) {
      assertEquals(await test.open(), TAR);
      const { nlink, uid } = await Deno.lstat(test.tarball);
      assertEquals([nlink, uid], [1, Deno.uid()]);
    } else await assertRejects(() => test.open(), StoreFileError, "Remove it");

    await assertUntouched(test.aside);
  },
);

Deno.test("openTarball() makes a tarball once for concurrent callers", async () => {
  await using test = await makeTarballs();

  const results = await Promise.all(Array.from({ length: 8 }, () => test.open()));

  assertEquals(results, Array(8).fill(TAR));
  const names = await Array.fromAsync(Deno.readDir(`${test.path}/tarballs/sha256`));
  assertEquals(names.length, 1);
});

mountTest(
  "openTarball() names the tarball for which the disk is full, and leaves none",
  async () => {
    await using test = await makeStore();
    const layers = [{ tar: tar(file("a", "x".repeat(200_000))), compression: "gzip" }] as const;
    const { layers: [layer] } = await storeBuilt(test.store, { layers });
    assert(layer !== undefined);
    const path = tarballsOf(test).pathOf(layer.diffId);
    using _disk = mountSmallDisk(`${test.path}/tarballs`, 65_536);

    await assertRejects(
      () => openTarball(test.store, layer),
      OciError,
      `Cannot write "${path}": the disk is full`,
    );

    assertEquals(await Array.fromAsync(Deno.readDir(`${test.path}/tarballs/sha256`)), []);
  },
);
