import { assertEquals } from "@std/assert";
import {
  ContentStore,
  OverlayBundler,
  overlaySupported,
  UncompressedBundler,
} from "../../store/mod.ts";
import { makeTempDir } from "../_support/temp.ts";
import { type LayerStack, NAMED_STACKS, randomStack } from "./_layer_stacks.ts";
import { describeRoot } from "./_root_tree.ts";
import { storeBuilt } from "./_stored_image.ts";

const SUPPORT = await checkSupport();
const SEEDS = Array.from({ length: 40 }, (_, i) => i + 1);

async function checkSupport(): Promise<string | undefined> {
  await using root = await makeTempDir({ large: true });
  const support = await overlaySupported(root.path);
  return support.supported ? undefined : support.reason;
}

/** Both bundlers' root file systems, entry by entry. */
async function bothTrees({ layers }: LayerStack) {
  await using directory = await makeTempDir({ large: true });
  const store = await ContentStore.open(directory.join("store"));
  const image = await storeBuilt(store, { layers, compression: "none" });
  // On one file system inode numbers tell which names are one file.
  const overlay = new OverlayBundler(store, { upper: { kind: "disk" } });
  await using mounted = await overlay.bundle(image, "overlay");
  await using extracted = await new UncompressedBundler(store).bundle(image, "uncompressed");
  return [mounted, extracted].map(({ path }) => describeRoot(`${path}/rootfs`));
}

for (const stack of [...NAMED_STACKS, ...SEEDS.map(randomStack)]) {
  Deno.test({
    name: `OverlayBundler and UncompressedBundler make the same tree of ${stack.name}`,
    ignore: SUPPORT !== undefined,
  }, async () => {
    const [mounted, extracted] = await bothTrees(stack);

    assertEquals(mounted, extracted);
  });
}
