import { assertEquals } from "@std/assert";
import { applyLayers } from "../../layer/mod.ts";
import { buildImage } from "../_support/image.ts";
import { fromLayers } from "../_support/layer_source.ts";
import { peerTest, runPeer, writeLayout } from "../_support/peers.ts";
import { dir, file, symlink, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { readTree } from "../_support/tree.ts";

peerTest({
  name: "applyLayers() records owners as umoci does",
  needs: ["umoci"],
  root: true,
}, async () => {
  await using temp = await makeTempDir({ large: true });
  const layers = [tar(
    dir("."),
    dir("group", { gid: 42 }),
    file("user", "x", { uid: 1000 }),
    file("both", "x", { uid: 300, gid: 70_000, mode: 0 }),
    file("root", "x"),
    symlink("link", "user", { uid: 9 }),
  )];
  await writeLayout(temp.join("layout"), { x: buildImage({ layers }) });
  await runPeer("umoci", [
    ...["unpack", "--rootless", "--image", `${temp.path}/layout:x`, temp.join("bundle")],
  ]);

  await applyLayers(fromLayers(layers), temp.join("ours"), { ownership: "record" });

  assertEquals(readTree(temp.join("ours")), readTree(temp.join("bundle", "rootfs")));
});
