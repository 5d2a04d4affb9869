import { assertEquals, assertRejects } from "@std/assert";
import { LimitError } from "../../../spec/mod.ts";
import { prepareLayers } from "../../../store/mod.ts";
import { extractOverlayLayer } from "../../../store/threads/overlay_extraction.ts";
import "../../_support/native_backend.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, noise, tar } from "../../_support/tar.ts";
import { makeStore, overlayReason } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());

for (
  const { where, extract } of [
    { where: "in threads", extract: undefined },
    { where: "in this thread", extract: extractOverlayLayer },
  ]
) {
  overlayTest(`prepareLayers() limits the bytes of all layers together ${where}`, async () => {
    await using test = await makeStore();
    const large = (name: string, seed: number) => tar(dir("."), file(name, noise(3_000_000, seed)));
    const image = await storeBuilt(test.store, { layers: [large("a", 1), large("b", 2)] });

    const error = await assertRejects(
      () => prepareLayers(test.store, image, { maxBytes: 4_000_000, extract }),
      LimitError,
    );

    assertEquals([error.limit, error.max], ["decompressed bytes", 4_000_000]);
    // No layer that is extracted by now counts again.
    await prepareLayers(test.store, image, { extract });
    await prepareLayers(test.store, image, { extract, maxBytes: 1 });
  });
}
