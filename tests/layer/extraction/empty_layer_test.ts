import { assertEquals, assertRejects } from "@std/assert";
import { ExtractError, extractLayer, MemoryTree } from "../../../layer/mod.ts";
import { type Descriptor, digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import "../../_support/native_backend.ts";
import { concat, gzip, tar, zstd, zstdSkippable } from "../../_support/tar.ts";

/** Extracts a layer of some bytes. */
async function extract(bytes: Uint8Array, mediaType: string = OCI_LAYER) {
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  const stream = new Blob([new Uint8Array(bytes)]).stream();
  return await extractLayer(stream, new MemoryTree(), { descriptor });
}

const EMPTY = [
  { what: "nothing", bytes: new Uint8Array() },
  { what: "1024 zeros", bytes: new Uint8Array(1024) },
  { what: "a record of zeros", bytes: new Uint8Array(10_240) },
  { what: "a compressed record", bytes: gzip(new Uint8Array(10_240)), suffix: "+gzip" },
  {
    what: "an empty archive with the frames of zstd:chunked",
    bytes: concat(zstd(tar()), zstdSkippable(new Uint8Array(200))),
    suffix: "+zstd",
  },
];
for (const { what, bytes, suffix = "" } of EMPTY) {
  Deno.test(`extractLayer() accepts an empty layer: ${what}`, async () => {
    assertEquals((await extract(bytes, OCI_LAYER + suffix)).entries, 0);
  });
}

const OTHER = [
  { what: "a file system image", bytes: new Uint8Array(65_536).fill(0x10, 1024) },
  {
    what: "a compressed file system image",
    bytes: gzip(new Uint8Array(65_536).fill(0x10, 1080, 1082)),
    suffix: "+gzip",
  },
  { what: "a megabyte of zeros", bytes: new Uint8Array(1_000_000) },
  {
    what: "a large skippable frame",
    bytes: concat(zstd(tar()), zstdSkippable(new Uint8Array(100_000))),
    suffix: "+zstd",
    state: "its archive is empty, although the layer has 100",
  },
];
for (const { what, bytes, suffix = "", state = "begins like an empty tar archive" } of OTHER) {
  Deno.test(`extractLayer() rejects an empty archive that is not a layer: ${what}`, async () => {
    const error = await assertRejects(
      () => extract(bytes, OCI_LAYER + suffix),
      ExtractError,
      state,
    );

    assertEquals(error.layer, digestOf(bytes));
  });
}
