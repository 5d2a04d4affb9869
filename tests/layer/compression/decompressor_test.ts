import { assert, assertEquals, assertThrows } from "@std/assert";
import { crc32 } from "node:zlib";
import {
  DecompressError,
  type DecompressOptions,
  detectCompression,
  openDecompressor,
} from "../../../layer/mod.ts";
import { LimitError, OCI_LAYER } from "../../../spec/mod.ts";
import { concat, gzip, toUint8Array, zstd } from "../../_support/tar.ts";

/** Text and noise, which compress moderately. */
const CONTENT = new Uint8Array(300_000).map((_, index) => (index * index) >> (index % 13));
const GZIP = gzip(CONTENT);
const ZSTD = zstd(CONTENT);
const SKIPPABLE = new Uint8Array([0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
const ZEROS = new Uint8Array(1024);

interface Run extends DecompressOptions {
  readonly chunkSize?: number;
}

function decompress(bytes: Uint8Array, run: Run = {}): Uint8Array {
  const { chunkSize = 65_536, ...options } = run;
  const outputs: Uint8Array[] = [];
  using decompressor = openDecompressor(options);
  for (let at = 0; at < bytes.length; at += chunkSize) {
    const emit = (output: Uint8Array) => void outputs.push(output.slice());
    // The chunk is overwritten afterwards, like a reused buffer.
    const chunk = bytes.slice(at, at + chunkSize);
    decompressor.push(chunk, emit);
    chunk.fill(0xee);
  }
  decompressor.finish();
  assertEquals(decompressor.bytesIn, bytes.length);
  return concat(...outputs);
}

const GOOD = [
  { what: "one gzip member", bytes: GZIP, content: CONTENT },
  { what: "many gzip members", bytes: concat(GZIP, GZIP, GZIP), content: repeated(3) },
  { what: "an empty gzip member", bytes: concat(gzip(toUint8Array("")), GZIP), content: CONTENT },
  { what: "zeros after gzip", bytes: concat(GZIP, ZEROS), content: CONTENT },
  { what: "zeros between gzip members", bytes: concat(GZIP, ZEROS, GZIP), content: repeated(2) },
  { what: "a gzip header with every field", bytes: gzipWithFields(), content: CONTENT },
  { what: "one zstd frame", bytes: ZSTD, content: CONTENT },
  { what: "many zstd frames", bytes: concat(ZSTD, ZSTD, ZSTD), content: repeated(3) },
  { what: "an empty zstd frame", bytes: concat(zstd(new Uint8Array()), ZSTD), content: CONTENT },
  {
    what: "skippable zstd frames",
    bytes: concat(SKIPPABLE, ZSTD, SKIPPABLE, ZSTD, SKIPPABLE),
    content: repeated(2),
  },
  { what: "a skippable zstd frame alone", bytes: SKIPPABLE, content: new Uint8Array() },
  {
    what: "zstd's raw and repeated blocks",
    bytes: zstdOfBlocks(),
    content: toUint8Array("abc".padEnd(9, "z")),
  },
  { what: "a tar archive", bytes: ZEROS, content: ZEROS },
  { what: "nothing", bytes: new Uint8Array(), content: new Uint8Array() },
];

function repeated(times: number): Uint8Array {
  return concat(...Array.from({ length: times }, () => CONTENT));
}

/** FHCRC, FEXTRA, FNAME and FCOMMENT. */
function gzipWithFields(checksum?: number): Uint8Array {
  const start = new Uint8Array([0x1f, 0x8b, 8, 0x1e, 1, 2, 3, 4, 0, 3, 2, 0, 9, 9]);
  const header = concat(start, toUint8Array("name\0comment\0"));
  const sum = checksum ?? crc32(header);
  return concat(header, Uint8Array.of(sum & 0xff, (sum >> 8) & 0xff), GZIP.subarray(10));
}

/** A frame with a window byte, a raw block of "abc" and a block that repeats "z" six times. */
function zstdOfBlocks(): Uint8Array {
  const header = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00];
  return new Uint8Array([...header, 3 << 3, 0, 0, 97, 98, 99, (6 << 3) | 2 | 1, 0, 0, 122]);
}

for (const { what, bytes, content } of GOOD) {
  Deno.test(`openDecompressor() reads ${what}`, () => {
    assertEquals(decompress(bytes), content);
  });
}

for (const [name, bytes] of Object.entries({ gzip: GZIP, zstd: ZSTD })) {
  Deno.test(`openDecompressor() decompresses ${name} into memory that can be transferred`, () => {
    const spare: ArrayBuffer[] = [];
    let made = 0;
    const memory = () => {
      const buffer = spare.pop();
      if (buffer === undefined) made++;
      return new Uint8Array(buffer ?? new ArrayBuffer(65_536));
    };
    using decompressor = openDecompressor({ memory });
    const parts: Uint8Array[] = [];
    for (const output of decompressor.outputs(bytes)) {
      const { buffer, byteOffset, length } = structuredClone(output, {
        transfer: [output.buffer as ArrayBuffer],
      });
      parts.push(new Uint8Array(buffer, byteOffset, length).slice());
      spare.push(buffer as ArrayBuffer);
    }
    decompressor.finish();

    assertEquals(concat(...parts), CONTENT);
    assertEquals(made, 1);
  });
}

Deno.test("openDecompressor() returns the same bytes for any chunks", () => {
  const content = toUint8Array("hello hello hello, world");
  const members = concat(gzip(content), new Uint8Array(3), gzip(toUint8Array("second")));
  const frames = concat(SKIPPABLE, zstd(content), SKIPPABLE, zstd(toUint8Array("second")));
  const expected = concat(content, toUint8Array("second"));

  for (const bytes of [members, frames]) {
    for (let chunkSize = 1; chunkSize <= bytes.length; chunkSize++) {
      assertEquals(decompress(bytes, { chunkSize }), expected, `chunks of ${chunkSize}`);
    }
  }
});

for (const { what, bytes } of [{ what: "gzip", bytes: GZIP }, { what: "zstd", bytes: ZSTD }]) {
  Deno.test(`openDecompressor() rejects ${what} that is truncated anywhere`, () => {
    const { length } = bytes;
    const cuts = [1, 2, 3, 4, 5, 9, length - 9, length - 8, length - 4, length - 1];
    for (let part = 1; part < 16; part++) cuts.push(Math.floor(length * part / 16));

    for (const cut of cuts) {
      assertThrows(
        () => decompress(bytes.subarray(0, cut)),
        DecompressError,
        "truncated",
        `after ${cut} of ${length} bytes`,
      );
    }
  });
}

const BAD = [
  { what: "garbage after gzip", bytes: concat(GZIP, toUint8Array("garbage")), state: "" },
  {
    what: "garbage after padded gzip",
    bytes: concat(GZIP, ZEROS, toUint8Array("?")),
    state: "other than gzip",
  },
  { what: "one byte after gzip", bytes: concat(GZIP, new Uint8Array([0x1f])), state: "truncated" },
  {
    what: "garbage after zstd",
    bytes: concat(ZSTD, toUint8Array("garbage")),
    state: "other than zstd",
  },
  { what: "zeros after zstd", bytes: concat(ZSTD, ZEROS), state: "other than zstd" },
  { what: "a wrong gzip checksum", bytes: flip(GZIP, -6), state: "data check" },
  { what: "a wrong gzip header checksum", bytes: gzipWithFields(0), state: "header crc" },
  { what: "a wrong gzip size", bytes: flip(GZIP, -2), state: "length check" },
  { what: "damaged gzip data", bytes: flip(GZIP, 1000), state: "damaged" },
  { what: "an unknown gzip method", bytes: flip(GZIP, 2), state: "method" },
  { what: "a reserved gzip flag", bytes: flip(GZIP, 3, 0x80), state: "flags" },
  { what: "a wrong zstd checksum", bytes: flip(ZSTD, -1), state: "checksum" },
  { what: "a reserved zstd bit", bytes: flip(ZSTD, 4, 0x08), state: "reserved bit" },
  { what: "a zstd dictionary", bytes: zstdFrame(1, 0x50, 7), state: "dictionary" },
  { what: "a reserved zstd block", bytes: zstdFrame(0, 0x50, 7, 0, 0), state: "reserved type" },
  {
    what: "a zstd block that is too large",
    bytes: zstdFrame(0, 0x50, 0xf8, 0xff, 0xff),
    state: "larger than",
  },
  { what: "bzip2", bytes: concat(toUint8Array("BZh91AY"), ZEROS), state: "but bzip2" },
  {
    what: "xz",
    bytes: concat(new Uint8Array([0xfd]), toUint8Array("7zXZ\0"), ZEROS),
    state: "but xz",
  },
  { what: "noise", bytes: new Uint8Array(2000).fill(0x41), state: "begin with 4141414141414141" },
  { what: "a few bytes", bytes: toUint8Array("hello"), state: "truncated, or not gzip" },
];

function flip(bytes: Uint8Array, at: number, mask = 0x01): Uint8Array {
  const index = at < 0 ? bytes.length + at : at;
  return bytes.with(index, (bytes.at(at) ?? 0) ^ mask);
}

function zstdFrame(...rest: number[]): Uint8Array {
  return new Uint8Array([0x28, 0xb5, 0x2f, 0xfd, ...rest]);
}

for (const { what, bytes, state } of BAD) {
  Deno.test(`openDecompressor() rejects ${what}`, () => {
    assertThrows(() => decompress(bytes), DecompressError, state);
  });
}

Deno.test("openDecompressor() survives any damaged byte", () => {
  const content = toUint8Array("hello hello hello, world");
  for (const bytes of [gzip(content), zstd(content)]) {
    for (let at = 0; at < bytes.length; at++) {
      for (const mask of [0x01, 0x10, 0x80, 0xff]) {
        // Some bytes, such as the time in gzip's header, have no effect.
        try {
          assertEquals(decompress(flip(bytes, at, mask)), content);
        } catch (error) {
          assert(error instanceof DecompressError || error instanceof LimitError, `${error}`);
        }
      }
    }
  }
});

Deno.test("openDecompressor() rethrows errors of its callback", () => {
  using decompressor = openDecompressor();
  const reason = new Error("disk full");

  const error = assertThrows(() =>
    decompressor.push(GZIP, () => {
      throw reason;
    })
  );

  assertEquals(error, reason);
});

Deno.test("openDecompressor() warns about a wrong media type", () => {
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);

  const content = decompress(ZSTD, { mediaType: `${OCI_LAYER}+gzip`, onWarning });
  decompress(ZSTD, { mediaType: `${OCI_LAYER}+zstd`, onWarning });
  decompress(ZSTD, { mediaType: "application/octet-stream", onWarning });

  assertEquals(content, CONTENT);
  assertEquals(warnings, [
    'The layer\'s media type is "application/vnd.oci.image.layer.v1.tar+gzip" but its ' +
    'compression is "zstd"; the media type is ignored',
  ]);
});

Deno.test("openDecompressor() rejects empty input with the media type of gzip", () => {
  const mediaType = `${OCI_LAYER}+gzip`;

  assertThrows(
    () => decompress(new Uint8Array(), { mediaType }),
    DecompressError,
    "truncated",
  );
});

Deno.test("openDecompressor() stops at maxBytes", () => {
  const maxBytes = CONTENT.length;

  assertEquals(decompress(GZIP, { maxBytes }), CONTENT);
  const error = assertThrows(
    () => decompress(GZIP, { maxBytes: maxBytes - 1 }),
    LimitError,
    '"maxBytes"',
  );
  assertEquals(error.max, maxBytes - 1);
  assertEquals(decompress(GZIP, { maxBytes: 0 }), CONTENT);
});

Deno.test("openDecompressor() stops at maxRatio, beyond 64 MiB", () => {
  // A block repeats a byte 131,072 times in four bytes.
  const blocks = new Uint8Array(4 * 1024);
  for (let at = 0; at < blocks.length; at += 4) blocks.set([0x02, 0x00, 0x10, 0], at);
  const bomb = concat(zstdFrame(0, 0x50), blocks);
  using decompressor = openDecompressor();
  let size = 0;

  const error = assertThrows(
    () => decompressor.push(bomb, (bytes) => void (size += bytes.length)),
    LimitError,
    '"maxRatio"',
  );

  assertEquals(error.max, 1000);
  assertEquals(size, 64 * 1024 * 1024);
  using generous = openDecompressor({ maxRatio: 40_000 });
  generous.push(bomb, () => {});
  assertEquals(generous.bytesOut, 128 * 1024 * 1024);
});

for (
  const { what, header, window } of [
    { what: "window", header: [0x00, 0x88], window: 2 ** 27 },
    { what: "segment", header: [0xa0, 0, 0, 0, 8], window: 2 ** 27 },
  ]
) {
  Deno.test(`openDecompressor() stops at maxWindow, by the ${what}`, () => {
    const bytes = concat(zstdFrame(...header), new Uint8Array([0x01, 0, 0]));

    assertThrows(() => decompress(bytes, { maxWindow: window - 1 }), LimitError, "window");
    assertEquals(decompress(bytes), new Uint8Array());
  });
}

Deno.test("openDecompressor() rejects limits that are not numbers", () => {
  assertThrows(() => openDecompressor({ maxBytes: -1 }), RangeError, '"maxBytes"');
  assertThrows(() => openDecompressor({ maxRatio: NaN }), RangeError, '"maxRatio"');
});

for (
  const { what, head, compression } of [
    { what: "gzip", head: GZIP.subarray(0, 2), compression: "gzip" },
    { what: "zstd", head: ZSTD.subarray(0, 4), compression: "zstd" },
    { what: "a skippable frame", head: SKIPPABLE, compression: "zstd" },
    { what: "zero blocks", head: ZEROS, compression: "none" },
    { what: "too little", head: ZEROS.subarray(0, 511), compression: undefined },
    { what: "noise", head: new Uint8Array(512).fill(9), compression: undefined },
  ]
) {
  Deno.test(`detectCompression() detects ${what} as ${compression}`, () => {
    assertEquals(detectCompression(head), compression);
  });
}
