import { assertEquals, assertThrows } from "@std/assert";
import { parseConfigOrArtifact } from "../../../spec/image/image_config.ts";
import { parseManifest } from "../../../spec/mod.ts";
import { buildImage } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";

const SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json";
const LAYER = tar(file("a", "a"));

function parse(options: Parameters<typeof buildImage>[0], text?: string) {
  const { config, bytes } = buildImage(options);
  const { kind, value } = parseManifest(bytes);
  if (kind !== "manifest") throw new TypeError("It is an index");
  const blob = text === undefined ? config.bytes : new TextEncoder().encode(text);
  return parseConfigOrArtifact(blob, value);
}

Deno.test("parseConfigOrArtifact() returns the type of a signature without a root", () => {
  const layers = [{ tar: LAYER, mediaType: SIGNATURE }];

  assertEquals(parse({ layers, configBlob: { rootfs: null } }), SIGNATURE);
});

Deno.test("parseConfigOrArtifact() returns the artifact type of a manifest without a root", () => {
  const options = { layers: [LAYER], configBlob: { rootfs: undefined } };

  assertEquals(parse({ ...options, manifest: { artifactType: "text/x" } }), "text/x");
});

Deno.test("parseConfigOrArtifact() returns the unknown type for an empty config", () => {
  assertEquals(parse({ layers: [LAYER] }, "{}"), "application/vnd.unknown.artifact.v1");
  assertEquals(parse({ layers: [], manifest: { artifactType: "text/x" } }, "{}"), "text/x");
  for (const text of ["[]", "null", "", '{"os":"linux"}']) {
    assertThrows(() => parse({ layers: [LAYER] }, text), SyntaxError);
  }
});

Deno.test("parseConfigOrArtifact() rejects the invalid config of an image", () => {
  const broken = { layers: [LAYER], configBlob: { rootfs: undefined } };
  const odd = { layers: [{ tar: LAYER, mediaType: SIGNATURE }], configBlob: { rootfs: 1 } };

  assertThrows(() => parse(broken), SyntaxError, "config.rootfs");
  assertThrows(() => parse(odd), SyntaxError, "config.rootfs");
});

Deno.test("parseConfigOrArtifact() accepts images with layers of other types", () => {
  const config = parse({ layers: [{ tar: LAYER, mediaType: "text/x" }] });

  assertEquals(typeof config, "object");
});
