import { assertEquals, assertRejects } from "@std/assert";
import { extractLayer, MemoryTree, StackingExtractor } from "../../../layer/mod.ts";
import { Digester } from "../../../spec/digest.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { ImageFiles, type Layer } from "../../../store/mod.ts";
import { extractOverlayLayer } from "../../../store/threads/overlay_extraction.ts";
import { file, noise, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";
import { storeBuilt } from "./_stored_image.ts";

const ARCHIVE = tar(file("a", noise(300_000)), file("b", new Uint8Array(700_000)));

/** Counts the bytes that are hashed while a task runs. */
async function hashedBytes(task: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const { update } = Digester.prototype;
  Digester.prototype.update = function (chunk) {
    count += chunk.length;
    return update.call(this, chunk);
  };
  try {
    await task();
  } finally {
    Digester.prototype.update = update;
  }
  return count;
}

for (const compression of ["none", "gzip"] as const) {
  Deno.test(`a stored layer is hashed once when it is extracted: ${compression}`, async () => {
    await using store = await makeTempStore();
    await using directory = await makeTempDir();
    const image = await storeBuilt(store, { layers: [ARCHIVE], compression });
    const [layer] = image.layers as [Layer];
    const archiveBytes = compression === "none" ? 0 : ARCHIVE.length;
    const { descriptor, diffId } = layer;

    const counts = {
      stacked: await hashedBytes(() => new StackingExtractor(new MemoryTree()).extract(layer)),
      listed: await hashedBytes(() => Array.fromAsync(new ImageFiles(store, image).list())),
      overlay: await hashedBytes(() =>
        extractOverlayLayer(layer, directory.join("a"), { ownership: "squash" })
      ),
      streamed: await hashedBytes(async () => {
        const stream = await layer.compressed();
        await extractLayer(stream, new MemoryTree(), { descriptor, diffId });
      }),
    };

    for (const [way, count] of Object.entries(counts)) {
      // An index of the entries, which a list writes, has a digest as well.
      assertEquals(Math.floor(count / 1000), Math.floor((layer.size + archiveBytes) / 1000), way);
    }
  });

  Deno.test(`a damaged layer is not extracted: ${compression}`, async () => {
    await using store = await makeTempStore();
    const image = await storeBuilt(store, { layers: [ARCHIVE], compression });
    const [layer] = image.layers as [Layer];
    const path = store.blobPath(layer.digest);
    const bytes = await Deno.readFile(path);
    for (const place of [0, 100, bytes.length >> 1, bytes.length - 1]) {
      await Deno.writeFile(path, bytes.with(place, ~(bytes[place] ?? 0) & 0xff));

      const error = await assertRejects(
        () => new StackingExtractor(new MemoryTree()).extract(layer),
        DigestMismatchError,
      );

      assertEquals(error.expected, layer.digest);
    }
  });
}
