import { assertEquals } from "@std/assert";
import { OverlayBundler, UncompressedBundler } from "../../store/mod.ts";
import { findFuseMounter } from "../../store/overlay/find_mounter.ts";
import { peerTest } from "../_support/peers.ts";
import { NAMED_STACKS } from "../store/_layer_stacks.ts";
import { describeRoot } from "../store/_root_tree.ts";
import { makeStore } from "../store/bundles/_bundling.ts";
import { storeBuilt } from "../store/images/_stored_image.ts";

const reason = await refusal();

async function refusal(): Promise<string | undefined> {
  await using test = await makeStore();
  const mounter = await findFuseMounter(test.path);
  return typeof mounter === "string" ? mounter : undefined;
}

for (const { name, layers, fuseDiffers } of NAMED_STACKS) {
  if (fuseDiffers !== undefined) continue;
  peerTest({
    name: `fuse-overlayfs shows the tree that extraction makes of ${name}`,
    // The reason says whether the program is missing.
    needs: [],
    root: true,
    reason,
  }, async () => {
    await using test = await makeStore();
    const image = await storeBuilt(test.store, { layers, compression: "none" });
    const mounter = await findFuseMounter(test.path);
    if (typeof mounter === "string") throw new Error(mounter);
    await using extracted = await new UncompressedBundler(test.store).bundle(image, "extracted");
    const mounted = await new OverlayBundler(test.store, { mounter }).bundle(image, "mounted");

    assertEquals(mounted.kind, "fuse-overlayfs");
    const [tree, expected] = [mounted, extracted].map(({ path }) => withoutTimes(`${path}/rootfs`));
    assertEquals(tree, expected);
    await mounted.cleanup();
    assertEquals(test.mounts(), []);
  });
}

/** A tree without the times of directories, which the program does not keep when it copies them. */
function withoutTimes(root: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(describeRoot(root)).map(([path, entry]) => [
      path,
      entry.startsWith("dir") ? entry.replace(/ @[0-9.]+/, "") : entry,
    ]),
  );
}
