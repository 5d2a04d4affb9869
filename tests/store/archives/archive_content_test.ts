import { assertEquals, assertThrows } from "@std/assert";
import { digestOf } from "../../../spec/mod.ts";
import { ArchiveContent } from "../../../store/archives/_archive_content.ts";
import type { ArchiveFile } from "../../../store/archives/_archive_file.ts";
import { archivedReader } from "../../../store/archives/_oci_images.ts";
import { ArchiveError } from "../../../store/mod.ts";
import { buildImage, jsonBlob } from "../../_support/image.ts";

const MIB = 1024 * 1024;

/** The content of an archive without files. */
function emptyContent(): ArchiveContent {
  const entries = { files: new Map(), links: new Map() };
  return new ArchiveContent({ name: "a.tar" } as ArchiveFile, entries);
}

Deno.test("ArchiveContent counts a document once even if it is both added and read", async () => {
  const content = emptyContent();
  const read = archivedReader(content);
  const { config, descriptor: { mediaType } } = buildImage();
  content.add(config.descriptor.digest, config.bytes);

  // More than half of the limit.
  for (let i = 0; i < 11; i++) {
    const padding = `${i}`.padEnd(3 * MIB);
    const manifest = jsonBlob(mediaType, {
      schemaVersion: 2,
      mediaType,
      config: config.descriptor,
      layers: [],
      annotations: { padding },
    });
    content.add(manifest.descriptor.digest, manifest.bytes);
    const { blobs } = await read(manifest.descriptor, undefined);
    assertEquals(blobs.length, 1);
  }
});

Deno.test("ArchiveContent limits the size of its documents", () => {
  const content = emptyContent();
  const [one, other] = [new Uint8Array(40 * MIB), new Uint8Array(40 * MIB).fill(1)];
  content.add(digestOf(one), one);

  assertThrows(() => content.add(digestOf(other), other), ArchiveError, "documents");
});
