import { assertEquals } from "@std/assert";
import {
  DOCKER_CONFIG,
  DOCKER_LAYER,
  DOCKER_MANIFEST,
  DOCKER_MANIFEST_LIST,
  isConfigMediaType,
  isIndexMediaType,
  isManifestMediaType,
  layerMediaType,
  OCI_CONFIG,
  OCI_EMPTY,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../../spec/mod.ts";

const NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar";

Deno.test.each([
  { type: OCI_LAYER, compression: "none", nondistributable: false },
  { type: `${OCI_LAYER}+gzip`, compression: "gzip", nondistributable: false },
  { type: `${OCI_LAYER}+zstd`, compression: "zstd", nondistributable: false },
  { type: DOCKER_LAYER, compression: "gzip", nondistributable: false },
  { type: NONDISTRIBUTABLE, compression: "none", nondistributable: true },
  { type: `${NONDISTRIBUTABLE}+gzip`, compression: "gzip", nondistributable: true },
  { type: `${NONDISTRIBUTABLE}+zstd`, compression: "zstd", nondistributable: true },
])("layerMediaType() knows $type", ({ type, compression, nondistributable }) => {
  assertEquals(layerMediaType(type), { compression, nondistributable } as unknown);
});

Deno.test.each(["", "text/plain", OCI_MANIFEST, OCI_EMPTY, "constructor", "__proto__", "toString"])(
  "layerMediaType() does not know %s",
  (type) => {
    assertEquals(layerMediaType(type), undefined);
  },
);

Deno.test("isIndexMediaType() and isManifestMediaType() distinguish documents", () => {
  const types = [OCI_INDEX, DOCKER_MANIFEST_LIST, OCI_MANIFEST, DOCKER_MANIFEST, OCI_CONFIG];

  assertEquals(types.map(isIndexMediaType), [true, true, false, false, false]);
  assertEquals(types.map(isManifestMediaType), [false, false, true, true, false]);
  assertEquals([OCI_CONFIG, DOCKER_CONFIG, OCI_EMPTY].map(isConfigMediaType), [true, true, false]);
});
