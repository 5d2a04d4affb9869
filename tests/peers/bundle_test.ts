import { assertEquals } from "@std/assert";
import { ContentStore, OverlayBundler, UncompressedBundler } from "../../store/mod.ts";
import { buildImage } from "../_support/image.ts";
import { peerTest, runPeer, writeLayout } from "../_support/peers.ts";
import { makeTempDir } from "../_support/temp.ts";
import { NAMED_STACKS, randomStack } from "../store/_layer_stacks.ts";
import { describeRoot } from "../store/_root_tree.ts";
import { storeImage } from "../store/images/_stored_image.ts";

const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

const STACKS = [...NAMED_STACKS, ...SEEDS.map(randomStack)]
  .filter(({ umociDiffers }) => umociDiffers === undefined);

for (const stack of STACKS) {
  peerTest({
    name: `bundles have the tree that umoci makes of ${stack.name}`,
    needs: ["umoci"],
    root: true,
  }, async () => {
    await using directory = await makeTempDir({ large: true });
    const built = buildImage({ layers: stack.layers, config: { Cmd: ["/bin/true"] } });
    const store = await ContentStore.open(directory.join("store"));
    const image = await storeImage(store, built);
    await writeLayout(directory.join("layout"), { latest: built });
    const layout = `${directory.join("layout")}:latest`;
    await runPeer("umoci", ["unpack", "--image", layout, directory.join("umoci")], {
      env: { HOME: directory.path },
    });
    await using extracted = await new UncompressedBundler(store).bundle(image, "extracted");
    await using mounted = await new OverlayBundler(store, { upper: { kind: "disk" } })
      .bundle(image, "mounted");

    const umoci = describeRoot(directory.join("umoci", "rootfs"));
    const described = [extracted, mounted].map(({ path }) => describeRoot(`${path}/rootfs`));

    for (const ours of described) {
      assertEquals(withoutTimes(ours, umoci), withoutTimes(umoci, umoci));
    }
  });
}

/** Directories that no layer describes: with umoci, their times are those of their creation. */
function withoutTimes(
  tree: Readonly<Record<string, string>>,
  umoci: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(tree).map(([path, entry]) => {
      const isImplied = / @[0-9]+\.[0-9]{7,}$/.test(umoci[path] ?? "");
      return [path, isImplied ? entry.replace(/ @[0-9.]+$/, "") : entry];
    }),
  );
}
