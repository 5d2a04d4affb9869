import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { RemoteImage } from "../../spec/mod.ts";
import { exportImage } from "../../store/mod.ts";
import "../_support/native_backend.ts";
import { peerTest } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { dir, file, noise, sparse, symlink, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { fakeLayers, makeUnpackBox } from "../store/unpacking/_unpack_box.ts";

/** Gaps and lengths, around the size of a block and far from it. */
const LENGTH = fc.oneof(fc.integer({ min: 1, max: 1100 }), fc.constantFrom(512, 4096, 100_000));
const RUNS = fc.array(fc.record({ gap: LENGTH, length: LENGTH }), { maxLength: 6 });

for (const peer of ["tar", "bsdtar"]) {
  peerTest(
    { name: `${peer} extracts the sparse files of exportImage()`, needs: [peer] },
    async () => {
      await using box = await makeUnpackBox();
      await fc.assert(
        fc.asyncProperty(RUNS, fc.nat(2000), async (shape, hole) => {
          await using temp = await makeTempDir();
          let end = 0;
          const runs = shape.map(({ gap, length }, index) => {
            const offset = end + gap;
            end = offset + length;
            return { offset, data: noise(length, index) };
          });
          const expected = new Uint8Array(end + hole);
          for (const { offset, data } of runs) expected.set(data, offset);
          const layer = tar(
            sparse("holes", end + hole, runs, "pax-1.0"),
            sparse("end", 9, [], "gnu"),
          );
          const image = { layers: fakeLayers([layer]) } as unknown as RemoteImage;

          const archive = await new Response(exportImage(box.store, image)).bytes();
          const { code, stderr } = await run(peer, ["-xf", "-", "-C", temp.path], {
            stdin: archive,
          });

          assertEquals([code, stderr], [0, ""]);
          assertEquals(await Deno.readFile(temp.join("holes")), expected);
          assertEquals(await Deno.readFile(temp.join("end")), new Uint8Array(9));
        }),
        { numRuns: 50 },
      );
    },
  );

  peerTest(
    { name: `${peer} keeps the times of directories that layers return to`, needs: [peer] },
    async () => {
      await using box = await makeUnpackBox();
      await using temp = await makeTempDir();
      const layers = [
        tar(dir("a", { mtime: 7 }), file("a/f", ""), dir("b", { mtime: 8 }), file("b/f", "")),
        // GNU tar creates such links last, and empty files before.
        tar(dir("a", { mtime: 9 }), symlink("a/link", "/b/f")),
      ];
      const image = { layers: fakeLayers(layers) } as unknown as RemoteImage;

      const archive = await new Response(exportImage(box.store, image)).bytes();
      const { code, stderr } = await run(peer, ["-xf", "-", "-C", temp.path], { stdin: archive });

      assertEquals([code, stderr], [0, ""]);
      const seconds = async (name: string) => (await Deno.stat(temp.join(name))).mtime?.getTime();
      assertEquals([await seconds("a"), await seconds("b")], [9000, 8000]);
    },
  );
}
