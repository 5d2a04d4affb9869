import { assertEquals, assertRejects } from "@std/assert";
import { copy } from "../../../mod.ts";
import { serveRegistry } from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

Deno.test("copy() names the source of bytes that do not match their digest", async () => {
  const image = buildImage({ layers: [noise(1000)], platform: "linux/amd64" });
  const layer = image.layers[0]?.descriptor;
  const content = new MemoryContent().add("app", "1", image);
  const open = content.open.bind(content);
  content.open = (name, digest, range) => {
    if (digest !== layer?.digest) return open(name, digest, range);
    return Promise.resolve(new Blob([new Uint8Array(layer.size)]).stream());
  };
  await using registry = await serveRegistry(content);
  await using directory = await makeTempDir();
  const target = `oci:${directory.join("layout")}:app`;

  const error = await assertRejects(
    () => copy(`${registry.host}/app:1`, target),
    DigestMismatchError,
  );

  assertEquals(error.source, `${registry.host}/app`);
});
