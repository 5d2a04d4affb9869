import { assertRejects } from "@std/assert";
import { digestOf } from "../../../spec/mod.ts";
import {
  ArchiveError,
  ContentStore,
  ImageArchive,
  StoreRegistryContent,
  UncompressedBundler,
} from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { BASE, makeStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

/** Runs a task without a umask, and then opens a store, which other users must not write to. */
async function assertTrusted(store: string, task: () => Promise<unknown>): Promise<void> {
  const umask = Deno.umask(0);
  try {
    await task();
  } finally {
    Deno.umask(umask);
  }
  await ContentStore.open(store);
}

posixTest("ImageArchive.open() makes a directory of a store for the user alone", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("a/store");

  await assertTrusted(store, async () => {
    const input = new Blob([new Uint8Array(1024)]).stream();
    const options = { spoolDirectory: `${store}/ingest`, input };
    await assertRejects(() => ImageArchive.open("-", options), ArchiveError);
  });
});

posixTest("UncompressedBundler makes directories of a store for the user alone", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });

  await assertTrusted(test.path, async () => {
    await using _bundle = await new UncompressedBundler(test.store).bundle(image, "a");
  });
});

posixTest("StoreRegistryContent makes directories of a store for the user alone", async () => {
  await using test = await makeStore();
  const { manifest } = await storeBuilt(test.store, { layers: [BASE] });
  await test.store.tag("localhost/a:1", manifest.descriptor);
  // As in a layout that another tool has written.
  await Deno.remove(`${test.path}/locks`, { recursive: true });
  const store = await ContentStore.open(test.path);
  const content = new StoreRegistryContent(store);

  await assertTrusted(test.path, async () => {
    await content.deleteBlob("a", manifest.value.layers[0]?.digest ?? digestOf(BASE));
  });
});
