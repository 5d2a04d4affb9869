import { assert, assertEquals } from "@std/assert";
import { LayerDecoder } from "../../../layer/compression/layer_decoder.ts";
import {
  inflateFrom,
  SeekPointRecorder,
  seekStart,
} from "../../../layer/compression/seek_points.ts";
import { concat, gzip, mixture, zstd } from "../../_support/tar.ts";
import { testUnless } from "../../_support/skip.ts";
import { hasSyncCodec } from "../../../layer/compression/_sync_codec.ts";

const syncTest = testUnless(hasSyncCodec() ? undefined : "needs the handles of node:zlib");

async function decode(blob: Uint8Array, chunkSize: number) {
  const seekPoints = new SeekPointRecorder();
  const outputs: Uint8Array[] = [];
  using decoder = new LayerDecoder({ seekPoints });
  for (let at = 0; at < blob.length; at += chunkSize) {
    await decoder.push(blob.subarray(at, at + chunkSize), (bytes) => outputs.push(bytes.slice()));
  }
  await decoder.finish();
  return { bytes: concat(...outputs), points: seekPoints.points };
}

syncTest.each([{ chunkSize: 65_536 }, { chunkSize: 1_000_003 }])(
  "inflateFrom() continues at each point that was recorded, in chunks of $chunkSize",
  async ({ chunkSize }) => {
    const content = mixture(20_000_000);
    const blob = gzip(content);

    const { bytes, points } = await decode(blob, chunkSize);

    assertEquals(bytes, content);
    assert(points.length >= 2, `there are ${points.length} points`);
    for (const point of points) {
      const stream = new Blob([blob.subarray(seekStart(point))]).stream();
      const rest: Uint8Array[] = [];
      let at = point.offset;
      for await (const bytes of inflateFrom(point, stream)) {
        rest.push(bytes);
        at += bytes.length;
        if (at === content.length) break;
      }
      assertEquals(concat(...rest), content.subarray(point.offset));
    }
  },
);

syncTest("SeekPointRecorder does not change what is decompressed", async () => {
  const content = mixture(9_000_000);
  const padded = concat(gzip(content, content.subarray(0, 9), content), new Uint8Array(700));

  const { bytes } = await decode(padded, 10_000);

  assertEquals(bytes, concat(content, content.subarray(0, 9), content));
});

syncTest("SeekPointRecorder has no points for zstd, nor for what is not compressed", async () => {
  const content = concat(new Uint8Array(1024), mixture(9_000_000));

  const points = await Promise.all([zstd(content), content].map(async (blob) => {
    return (await decode(blob, 300_000)).points;
  }));

  assertEquals(points, [[], []]);
});

Deno.test("SeekPointRecorder keeps at most 256 points, further apart", () => {
  const recorder = new SeekPointRecorder();
  // The header of a block with dynamic codes, as gzip writes it.
  const input = new Uint8Array([
    0,
    0xec,
    0xbd,
    0x07,
    0x60,
    0x1c,
    0x49,
    0x96,
    0x25,
    0x26,
    0x2f,
    0x6d,
  ]);
  const output = new Uint8Array(32_768);

  for (let block = 1; block <= 4000; block++) {
    recorder.offer(input, 1, block, output, block * 2_097_152);
  }

  const offsets = recorder.points.map(({ offset }) => offset);
  assert(offsets.length > 100 && offsets.length <= 256, `there are ${offsets.length} points`);
  const gaps = offsets.slice(1).map((offset, i) => offset - (offsets[i] ?? 0));
  assertEquals(new Set(gaps.slice(0, -1)).size, 1);
});
