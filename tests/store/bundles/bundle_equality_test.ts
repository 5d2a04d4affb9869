import { assertEquals } from "@std/assert";
import {
  ContentStore,
  OverlayBundler,
  prepareLayers,
  UncompressedBundler,
} from "../../../store/mod.ts";
import { threadedExtraction } from "../../../store/overlay/_threaded_extraction.ts";
import { LayerThreads } from "../../../store/threads/layer_threads.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { type LayerStack, NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import { describeRoot } from "../_root_tree.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { overlayReason } from "./_bundling.ts";

const overlayTest = testUnless(await overlayReason());
const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

/** Both bundlers' root file systems, entry by entry; layers are extracted in `workers`, if any. */
async function bothTrees({ layers }: LayerStack, workers?: LayerThreads) {
  await using directory = await makeTempDir({ large: true });
  const store = await ContentStore.open(directory.join("store"));
  const image = await storeBuilt(store, { layers, compression: workers ? "gzip" : "none" });
  if (workers) await prepareLayers(store, image, { extract: threadedExtraction(store, workers) });
  // On a single file system, inode numbers show which names belong to the same file.
  const overlay = new OverlayBundler(store, { upper: { kind: "disk" } });
  await using mounted = await overlay.bundle(image, "overlay");
  await using extracted = await new UncompressedBundler(store).bundle(image, "uncompressed");
  return [mounted, extracted].map(({ path }) => describeRoot(`${path}/rootfs`));
}

for (const stack of [...NAMED_STACKS, ...SEEDS.map(randomStack)]) {
  overlayTest({
    name: `OverlayBundler and UncompressedBundler make the same tree from ${stack.name}`,
  }, async () => {
    const [mounted, extracted] = await bothTrees(stack);

    assertEquals(mounted, extracted);
  });
}

for (const relay of ["here", "thread"] as const) {
  overlayTest({
    name: `OverlayBundler makes the same tree from layers that are relayed ${relay}`,
  }, async () => {
    using workers = new LayerThreads(2, { from: 0, relay });
    for (const stack of NAMED_STACKS) {
      const [mounted, extracted] = await bothTrees(stack, workers);

      assertEquals(mounted, extracted, stack.name);
    }
  });
}
