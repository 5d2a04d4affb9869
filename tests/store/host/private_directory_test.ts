import { digestOf } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { runWithoutUmask } from "../../_support/umask.ts";
import { BASE, makeStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

posixTest("ImageArchive.open() makes a directory of a store for the user alone", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("a/store");

  await runWithoutUmask(
    `import { ArchiveError, ImageArchive } from "./store/mod.ts";
    const input = new Blob([new Uint8Array(1024)]).stream();
    const options = { spoolDirectory: Deno.args[0] + "/ingest", input };
    const failure = await ImageArchive.open("-", options).catch((error) => error);
    if (!(failure instanceof ArchiveError)) throw failure;`,
    store,
  );

  // It refuses directories that other users can write to.
  await ContentStore.open(store);
});

posixTest("UncompressedBundler makes directories of a store for the user alone", async () => {
  await using test = await makeStore();
  const { digest } = await storeBuilt(test.store, { layers: [BASE] });

  await runWithoutUmask(
    `import { ContentStore, readImage, UncompressedBundler } from "./store/mod.ts";
    const [path, digest] = Deno.args;
    const store = await ContentStore.open(path);
    const image = await readImage(store, digest);
    await using _bundle = await new UncompressedBundler(store).bundle(image, "a");`,
    test.path,
    digest,
  );

  await ContentStore.open(test.path);
});

posixTest("StoreRegistryContent makes directories of a store for the user alone", async () => {
  await using test = await makeStore();
  const { manifest } = await storeBuilt(test.store, { layers: [BASE] });
  await test.store.tag("localhost/a:1", manifest.descriptor);
  // As in a layout that another tool has written.
  await Deno.remove(`${test.path}/locks`, { recursive: true });

  await runWithoutUmask(
    `import { ContentStore, StoreRegistryContent } from "./store/mod.ts";
    const [path, digest] = Deno.args;
    const content = new StoreRegistryContent(await ContentStore.open(path));
    await content.deleteBlob("a", digest);`,
    test.path,
    manifest.value.layers[0]?.digest ?? digestOf(BASE),
  );

  await ContentStore.open(test.path);
});
