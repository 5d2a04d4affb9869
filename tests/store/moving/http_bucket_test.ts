import { assert, assertEquals, assertRejects } from "@std/assert";
import { copyNamed, MemoryContent } from "../../../store/mod.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { memoryOf } from "../../cache/moving/_pushed.ts";
import { HttpBucket, serveBucket } from "./_http_bucket.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "1"))] });
const INDEX = buildIndex([IMAGE]);

Deno.test("copyNamed() copies to and from a custom transport", async () => {
  await using server = serveBucket();
  const bucket = new HttpBucket(server.url);

  await copyNamed(await memoryOf(INDEX), bucket, INDEX.descriptor, "v1");
  const root = await bucket.resolve("v1");
  assert(root !== undefined);
  const back = new MemoryContent();
  await copyNamed(bucket, back, root, "v1");

  assertEquals((await back.resolve("v1"))?.digest, INDEX.descriptor.digest);
  for (const { descriptor } of INDEX.blobs.values()) assert(await back.exists(descriptor));
});

Deno.test("copyNamed() stores no wrong bytes in a custom transport that does not verify", async () => {
  await using server = serveBucket();
  const bucket = new HttpBucket(server.url);
  const source = await memoryOf(INDEX);

  await assertRejects(
    () =>
      copyNamed(
        {
          fetch: async (descriptor, options) =>
            descriptor.digest === IMAGE.config.descriptor.digest
              ? new Blob([new Uint8Array(descriptor.size)]).stream()
              : await source.fetch(descriptor, options),
        },
        bucket,
        INDEX.descriptor,
        "v1",
      ),
    Error,
  );

  assertEquals(await bucket.exists(IMAGE.config.descriptor), false);
  assertEquals(await bucket.resolve("v1"), undefined);
});

Deno.test("a custom transport takes less than 100 lines", async () => {
  const text = await Deno.readTextFile(new URL("./_http_bucket.ts", import.meta.url));

  assert(text.slice(0, text.indexOf("/** Serves such")).split("\n").length < 100);
});
