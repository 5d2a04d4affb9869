import { assertThrows } from "@std/assert";
import { checkLayerType, digestOf, LayerTypeError } from "../../../spec/mod.ts";

const digest = digestOf(new Uint8Array());

Deno.test.each([
  { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip+encrypted", says: "encrypted" },
  { mediaType: "application/vnd.erofs.layer.v1", says: "file system image (erofs)" },
  { mediaType: "application/vnd.example.ext4", says: "file system image (ext4)" },
  {
    mediaType: "application/vnd.oci.image.layer.v1.squashfs",
    says: "file system image (squashfs)",
  },
  { mediaType: "application/wasm", says: "not that of a tar archive" },
  { mediaType: "constructor", says: "not that of a tar archive" },
])("checkLayerType() refuses $mediaType", ({ mediaType, says }) => {
  assertThrows(() => checkLayerType({ mediaType, digest, size: 1 }), LayerTypeError, says);
});

Deno.test.each([
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+zstd",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
])("checkLayerType() accepts %s", (mediaType) => {
  checkLayerType({ mediaType, digest, size: 1 });
});
