import { assert, assertEquals } from "@std/assert";
import { openArchive } from "../../../store/files/archive_reader.ts";
import { storedLayer } from "../../../store/images/image.ts";
import { ImageFiles } from "../../../store/mod.ts";
import { file, mixture, tar } from "../../_support/tar.ts";
import { fakeLayers, imageOf, makeUnpackBox } from "../unpacking/_unpack_box.ts";

const ARCHIVE = tar(
  file("early", "content"),
  file("large", mixture(9_000_000)),
  file("late", "content"),
);
const LATE = ARCHIVE.length - 2048;

Deno.test.each(
  [
    { name: "an early file in gzip", compression: "gzip", at: 0, isOpened: true },
    { name: "a late file in gzip", compression: "gzip", at: LATE, isOpened: true },
    { name: "an early file in zstd", compression: "zstd", at: 0, isOpened: false },
    { name: "an early file without compression", compression: "none", at: 0, isOpened: true },
  ] as const,
)("openArchive() skips what it need not read: $name", async (options) => {
  const { compression, at, isOpened } = options;
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: ARCHIVE, compression }]);
  await Array.fromAsync(new ImageFiles(box.store, imageOf(layers)).list());
  const [layer] = layers.map(({ descriptor, diffId }) =>
    storedLayer(box.store, descriptor, diffId)
  );
  assert(layer);

  const bytes = (await openArchive(box.store, layer, at, undefined))?.[Symbol.asyncIterator]();
  const first = await bytes?.next();
  await bytes?.return?.();

  assertEquals(first?.value?.subarray(0, 512), isOpened ? ARCHIVE.slice(at, at + 512) : undefined);
});
