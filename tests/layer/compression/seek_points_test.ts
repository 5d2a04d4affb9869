import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { constants, crc32, deflateRawSync } from "node:zlib";
import { LayerDecoder } from "../../../layer/compression/layer_decoder.ts";
import {
  inflateFrom,
  inflateStart,
  SeekPointRecorder,
  seekStart,
} from "../../../layer/compression/seek_points.ts";
import { concat, gzip, mixture, zstd } from "../../_support/tar.ts";

function decode(blob: Uint8Array, chunkSize: number) {
  const seekPoints = new SeekPointRecorder();
  const outputs: Uint8Array[] = [];
  using decoder = new LayerDecoder({ seekPoints });
  for (let at = 0; at < blob.length; at += chunkSize) {
    const chunk = blob.subarray(at, at + chunkSize);
    for (const bytes of decoder.outputs(chunk)) outputs.push(bytes.slice());
  }
  decoder.finish();
  return { bytes: concat(...outputs), points: seekPoints.points };
}

Deno.test.each([{ chunkSize: 65_536 }, { chunkSize: 1_000_003 }])(
  "inflateFrom() resumes at each recorded point, in chunks of $chunkSize",
  async ({ chunkSize }) => {
    const content = mixture(20_000_000);
    const blob = gzip(content);

    const { bytes, points } = decode(blob, chunkSize);

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

Deno.test.each([0, 1, 2, 3, 4, 5, 6, 7].map((bits) => ({ bits })))(
  "inflateFrom() resumes $bits bits before the end of a byte",
  async ({ bits }) => {
    const content = Uint8Array.from({ length: 100_000 }, (_, index) => index * index >> 3);
    // Without a stored block, whose data would begin at the next byte.
    const data = deflateRawSync(content);
    // Another block uses the lower bits of the first byte.
    const used = bits === 0 ? 0 : 8 - bits;
    const shifted = Uint8Array.from({ length: data.length + 1 }, (_, index) => {
      return (data[index] ?? 0) << used | (data[index - 1] ?? 0) >> (8 - used);
    });
    if (bits > 0) shifted[0] = (shifted[0] ?? 0) | 0xff >> bits;
    // The trailer has 8 bytes, one of which may be the last, unused byte of the shifted data.
    const blob = concat(bits === 0 ? data : shifted, new Uint8Array(7));

    for (const chunkSize of [1, 5, 100, blob.length]) {
      const chunks = Array.from(
        { length: Math.ceil(blob.length / chunkSize) },
        (_, index) => blob.slice(index * chunkSize, (index + 1) * chunkSize),
      );
      const point = { offset: 0, blobOffset: bits === 0 ? 0 : 1, bits, window: mixture(32_768) };
      const rest: Uint8Array[] = [];
      let length = 0;
      for await (const bytes of inflateFrom(point, ReadableStream.from(chunks))) {
        rest.push(bytes);
        length += bytes.length;
        if (length >= content.length) break;
      }
      assertEquals(concat(...rest), content);
    }
  },
);

Deno.test("inflateStart() reads the first member, and fails behind it", async () => {
  const content = mixture(500_000);
  const blob = concat(gzip(content), gzip(content));
  let length = 0;

  await assertRejects(async () => {
    for await (const bytes of inflateStart(new Blob([blob]).stream())) {
      assertEquals(bytes, content.subarray(length, length + bytes.length));
      length += bytes.length;
    }
  }, TypeError);
});

Deno.test("SeekPointRecorder does not change the decompressed bytes", () => {
  const content = mixture(9_000_000);
  const padded = concat(gzip(content, content.subarray(0, 9), content), new Uint8Array(700));

  const { bytes } = decode(padded, 10_000);

  assertEquals(bytes, concat(content, content.subarray(0, 9), content));
});

Deno.test("SeekPointRecorder has no points for zstd or uncompressed archives", () => {
  const content = concat(new Uint8Array(1024), mixture(9_000_000));

  const points = [zstd(content), content].map((blob) => decode(blob, 300_000).points);

  assertEquals(points, [[], []]);
});

Deno.test("SeekPointRecorder keeps at most 256 points, further apart", () => {
  const recorder = new SeekPointRecorder();
  // A block header with dynamic codes, as gzip writes it.
  const input = Uint8Array.fromHex("00ecbd07601c499625262f6d");
  const output = new Uint8Array(32_768);

  for (let block = 1; block <= 4000; block++) {
    recorder.offer(input, 1, block, output, block * 524_288);
  }

  const offsets = recorder.points.map(({ offset }) => offset);
  assert(offsets.length > 100 && offsets.length <= 256, `there are ${offsets.length} points`);
  const gaps = offsets.slice(1).map((offset, i) => offset - (offsets[i] ?? 0));
  assertEquals(new Set(gaps.slice(0, -1)).size, 1);
});

Deno.test("SeekPointRecorder looks at few of many empty blocks", () => {
  class Counter extends SeekPointRecorder {
    offers = 0;
    override offer(...boundary: Parameters<SeekPointRecorder["offer"]>): void {
      this.offers++;
      super.offer(...boundary);
    }
  }
  // It is stored, so that no block before the empty ones is accepted.
  const content = new Uint8Array(2_000_000);
  for (let at = 0; at < content.length; at += 50_000) {
    crypto.getRandomValues(content.subarray(at, at + 50_000));
  }
  const begin = deflateRawSync(content, { finishFlush: constants.Z_SYNC_FLUSH });
  // Four empty blocks with fixed codes, 10 bits each.
  const four = [0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0b0000_0000];
  const blocks = Uint8Array.from({ length: 200_000 }, (_, index) => four[index % 5] ?? 0);
  const trailer = new Uint8Array(8);
  const view = new DataView(trailer.buffer);
  view.setUint32(0, crc32(content), true);
  view.setUint32(4, content.length, true);
  const head = Uint8Array.fromHex("1f8b08000000000000ff");
  const end = Uint8Array.of(3, 0);
  const blob = concat(head, begin, blocks, end, trailer);
  const seekPoints = new Counter();
  let size = 0;

  using decoder = new LayerDecoder({ seekPoints });
  for (const bytes of decoder.outputs(blob)) size += bytes.length;
  decoder.finish();

  assertEquals(size, content.length);
  assertLess(seekPoints.offers, 4000);
});
