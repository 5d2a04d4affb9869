import { assert, assertEquals, assertRejects } from "@std/assert";
import { TarError, UntarStream } from "../../../layer/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { concat, dir, file, sparse, symlink, tar } from "../../_support/tar.ts";

/** Splits an archive into chunks. */
function source(archive: Uint8Array, size = 700): ReadableStream<Uint8Array> {
  const chunks = [];
  for (let at = 0; at < archive.length; at += size) chunks.push(archive.slice(at, at + size));
  return ReadableStream.from(chunks);
}

Deno.test("UntarStream returns entries with their content", async () => {
  const archive = tar(
    dir("d"),
    file("d/empty"),
    file("d/f", "hello".repeat(1000)),
    symlink("d/s", "f"),
    file("last", "x"),
  );

  const read: [string, string | undefined][] = [];
  for await (const entry of source(archive).pipeThrough(new UntarStream())) {
    const { path, readable } = entry;
    read.push([path, readable === undefined ? undefined : await new Response(readable).text()]);
  }

  assertEquals(read, [
    ["d/", undefined],
    ["d/empty", ""],
    ["d/f", "hello".repeat(1000)],
    ["d/s", undefined],
    ["last", "x"],
  ]);
});

Deno.test("UntarStream returns holes as zeros, in small chunks", async () => {
  const size = 300_000;
  const archive = tar(sparse("s", size, [{ offset: 200_000, data: "data" }], "pax-1.0"));
  const expected = new Uint8Array(size);
  expected.set(new TextEncoder().encode("data"), 200_000);

  for await (const { readable } of source(archive).pipeThrough(new UntarStream())) {
    assert(readable !== undefined);
    const chunks = await Array.fromAsync(readable);

    assertEquals(concat(...chunks), expected);
    assert(chunks.every(({ length }) => length <= 65_536));
  }
});

Deno.test("UntarStream skips canceled content, including holes of any size", async () => {
  const size = 2 ** 50;
  const run = { offset: 2 ** 49, data: "data" };
  const archive = tar(file("a", "x".repeat(5000)), sparse("b", size, [run], "pax-1.0"), file("c"));

  const read: string[] = [];
  for await (const entry of source(archive).pipeThrough(new UntarStream())) {
    await entry.readable?.cancel();
    read.push(entry.path);
  }

  assertEquals(read, ["a", "b", "c"]);
});

Deno.test("UntarStream skips the rest of partly read content", async () => {
  const archive = tar(file("a", "x".repeat(5000)), file("b", "y"));
  const entries = source(archive).pipeThrough(new UntarStream()).getReader();
  const { value: first } = await entries.read();
  const content = first?.readable?.getReader();
  await content?.read();

  await content?.cancel();
  const { value: second } = await entries.read();

  assertEquals(second?.path, "b");
  assertEquals(await new Response(second?.readable).text(), "y");
  assertEquals((await entries.read()).done, true);
});

Deno.test("UntarStream skips content that is canceled during a read", async () => {
  const archive = tar(file("a", "x".repeat(5000)), file("b"));
  const entries = source(archive).pipeThrough(new UntarStream()).getReader();
  const { value: first } = await entries.read();
  const content = first?.readable?.getReader();

  const pending = content?.read();
  await content?.cancel();

  assertEquals((await pending)?.done, true);
  assertEquals((await entries.read()).value?.path, "b");
  await entries.cancel();
});

Deno.test("UntarStream yields the next entry once the content has been read", async () => {
  const archive = tar(file("a", "x"), file("b"));
  const entries = source(archive).pipeThrough(new UntarStream()).getReader();
  const { value: first } = await entries.read();
  let isThere = false;

  const next = entries.read().then((result) => {
    isThere = true;
    return result;
  });
  await Promise.resolve();
  const before = isThere;
  await new Response(first?.readable).text();

  assertEquals(before, false);
  assertEquals((await next).value?.path, "b");
  await entries.cancel();
});

Deno.test("UntarStream reads the archive on demand", async () => {
  const archive = tar(file("a", "x".repeat(1_000_000)));
  let taken = 0;
  const counted = source(archive, 10_000).pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>(
      {
        transform(chunk, controller) {
          taken += chunk.length;
          controller.enqueue(chunk);
        },
      },
    ),
  );
  const entries = counted.pipeThrough(new UntarStream()).getReader();

  const { value } = await entries.read();

  assertEquals(value?.path, "a");
  assert(taken <= 50_000, `${taken} bytes were taken`);
  await value?.readable?.cancel();
  await entries.cancel();
});

Deno.test("UntarStream yields the entries before the damage", async () => {
  const archive = concat(file("a", "x"), new Uint8Array(512).fill(7));
  const read: string[] = [];

  await assertRejects(
    async () => {
      for await (const entry of source(archive, 65_536).pipeThrough(new UntarStream())) {
        read.push(await new Response(entry.readable).text());
      }
    },
    TarError,
    "checksum",
  );

  assertEquals(read, ["x"]);
});

Deno.test("UntarStream fails in truncated content, and in the entries", async () => {
  const archive = tar(file("a", "x".repeat(5000))).subarray(0, 2000);
  const entries = source(archive).pipeThrough(new UntarStream()).getReader();
  const { value } = await entries.read();

  await assertRejects(() => new Response(value?.readable).bytes(), TarError, "truncated");
  await assertRejects(() => entries.read(), TarError, "truncated");
});

Deno.test("UntarStream enforces its limits", async () => {
  const stream = source(tar(file("a"), file("b"))).pipeThrough(new UntarStream({ maxEntries: 1 }));

  await assertRejects(
    async () => {
      for await (const { readable } of stream) await readable?.cancel();
    },
    LimitError,
    '"maxEntries"',
  );
});

Deno.test("UntarStream cancels the archive with its reader's reason", async () => {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const archive = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(file("a", "x")),
    cancel: resolve,
  });
  const entries = archive.pipeThrough(new UntarStream()).getReader();
  await entries.read();

  await entries.cancel("enough");

  assertEquals(await promise, "enough");
});
