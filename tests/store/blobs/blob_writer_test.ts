import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { exists } from "@std/fs";
import fc from "fast-check";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { BlobFiles } from "../../../store/blobs/blob_files.ts";
import { BlobWriter } from "../../../store/blobs/blob_writer.ts";
import { DiskFullError } from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { mountSmallDisk, mountTest } from "../../_support/mounting.ts";
import { denoEnvironment, run } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";

const { descriptor: DESCRIPTOR, bytes: BYTES } = randomBlob(700_000);

/** Returns the blobs in a directory. */
async function blobsIn({ path }: { readonly path: string }): Promise<BlobFiles> {
  await Deno.mkdir(`${path}/sha256`);
  return new BlobFiles(path, undefined);
}

Deno.test("BlobWriter writes the same file for chunks of any size", async () => {
  await using directory = await makeTempDir();
  const blobs = await blobsIn(directory);
  const path = blobs.pathOf(DESCRIPTOR.digest);

  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400_000 }), { maxLength: 6 }),
      async (sizes) => {
        using writer = await BlobWriter.open(directory.join("part"), DESCRIPTOR);
        let at = 0;
        for (const size of [...sizes, BYTES.length]) {
          writer.write(BYTES.subarray(at, at + size));
          at = Math.min(at + size, BYTES.length);
        }
        await writer.finish();
        await writer.commit(blobs);

        assertEquals(await Deno.readFile(path), BYTES);
      },
    ),
    { numRuns: 20 },
  );
});

Deno.test("BlobWriter keeps every written byte when it is closed early", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  {
    using writer = await BlobWriter.open(part, DESCRIPTOR);
    writer.write(BYTES.subarray(0, 300_001));
  }

  using writer = await BlobWriter.open(part, DESCRIPTOR);

  assertEquals([writer.resumed, writer.size, writer.complete], [300_001, 300_001, false]);
});

Deno.test("BlobWriter rejects a surplus byte before it is written", async () => {
  await using directory = await makeTempDir();
  using writer = await BlobWriter.open(directory.join("part"), DESCRIPTOR);
  writer.write(BYTES);

  assertThrows(() => writer.write(new Uint8Array(1)), DigestMismatchError, "more than 700000");
});

for (const size of [700_000, 5_000_000]) {
  Deno.test(`BlobWriter rejects wrong bytes of a blob of ${size}, and can start over`, async () => {
    await using directory = await makeTempDir();
    const { descriptor, bytes } = randomBlob(size);
    using writer = await BlobWriter.open(directory.join("part"), descriptor);
    writer.write(bytes.toReversed());
    await assertRejects(() => writer.finish(), DigestMismatchError);

    writer.restart();
    writer.write(bytes.subarray(0, 300_000));
    writer.write(bytes.subarray(300_000));
    await writer.finish();
    const blobs = await blobsIn(directory);
    await writer.commit(blobs);

    assertEquals(await Deno.readFile(blobs.pathOf(descriptor.digest)), bytes);
  });
}

Deno.test("BlobWriter hashes a small blob without Node's crypto", async () => {
  await using directory = await makeTempDir();
  const script = directory.join("write.ts");
  const module = new URL("../../../store/blobs/blob_writer.ts", import.meta.url).href;
  await Deno.writeTextFile(
    script,
    `import { BlobWriter } from ${JSON.stringify(module)};
    globalThis.process.getBuiltinModule = (name) => { throw new Error(\`\${name} is loaded\`); };
    const expected = ${JSON.stringify(DESCRIPTOR)};
    using writer = await BlobWriter.open(${JSON.stringify(directory.join("part"))}, expected);
    writer.write(await Deno.readFile(${JSON.stringify(directory.join("bytes"))}));
    await writer.finish();`,
  );
  await Deno.writeFile(directory.join("bytes"), BYTES);

  const { code, stderr } = await run(Deno.execPath(), ["run", "-A", script], {
    env: await denoEnvironment(),
  });

  assertEquals(code, 0, stderr);
});

Deno.test("BlobWriter.restart() starts over", async () => {
  await using directory = await makeTempDir();
  using writer = await BlobWriter.open(directory.join("part"), DESCRIPTOR);
  writer.write(new Uint8Array(600_000));

  writer.restart();
  writer.write(BYTES);
  await writer.finish();
  const blobs = await blobsIn(directory);
  await writer.commit(blobs);

  assertEquals(await Deno.readFile(blobs.pathOf(DESCRIPTOR.digest)), BYTES);
});

Deno.test("BlobWriter.discard() removes the part", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  using writer = await BlobWriter.open(part, DESCRIPTOR);

  writer.discard();

  assertEquals(await exists(part), false);
});

Deno.test("BlobWriter.open() allows one writer at a time", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  using _first = await BlobWriter.open(part, DESCRIPTOR);
  let busy = 0;

  await assertRejects(() =>
    BlobWriter.open(part, DESCRIPTOR, {
      signal: AbortSignal.timeout(20),
      onBusy: () => busy++,
    })
  );

  assertEquals(busy > 0, true);
});

Deno.test("BlobWriter.open() creates a new part if the one it waited for was removed", async () => {
  await using directory = await makeTempDir();
  const part = directory.join("part");
  const first = await BlobWriter.open(part, DESCRIPTOR);
  first.write(BYTES.subarray(0, 400_000));

  using second = await BlobWriter.open(part, DESCRIPTOR, {
    onBusy: () => first.discard(),
  });

  assertEquals(second.size, 0);
  assertEquals(await exists(part), true);
});

mountTest("BlobWriter reports a full disk, and keeps the bytes that fit", async () => {
  await using directory = await makeTempDir();
  using _disk = mountSmallDisk(directory.path, 256 * 1024);
  using writer = await BlobWriter.open(directory.join("part"), DESCRIPTOR);

  const error = await assertRejects(async () => {
    writer.write(BYTES);
    await writer.finish();
  }, DiskFullError);

  assertEquals(error.digest, DESCRIPTOR.digest);
  assertEquals(error.size, (await Deno.stat(directory.join("part"))).size);
  assertEquals(error.size > 100_000 && error.size < BYTES.length, true);
});
