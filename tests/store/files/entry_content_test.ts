import { assertEquals, assertRejects } from "@std/assert";
import { type ArchiveAccess, readEntryContent } from "../../../store/files/entry_content.ts";
import { concat, dir, file, header, mixture, tar } from "../../_support/tar.ts";

const LONG_NAME = "d/".repeat(120) + "f";

async function* inChunks(bytes: Uint8Array<ArrayBuffer>, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.slice(at, at + size);
}

function source(seek: Uint8Array<ArrayBuffer>, whole: Uint8Array<ArrayBuffer>, chunk: number) {
  return {
    seek: () => Promise.resolve(inChunks(seek, chunk)),
    whole: () => Promise.resolve(inChunks(whole, chunk)),
    limits: {},
  } satisfies ArchiveAccess;
}

async function read(source: ArchiveAccess, offset: number, size: number) {
  return concat(...await Array.fromAsync(readEntryContent(source, offset, size)));
}

const nothing = new Uint8Array();

for (const chunk of [1, 100, 512, 700, 1_000_000]) {
  Deno.test(`readEntryContent() reads plain files in chunks of ${chunk}`, async () => {
    const content = mixture(3000);
    const archive = tar(file("f", content), file("g", "other"));

    assertEquals(await read(source(archive, nothing, chunk), 0, 3000), content);
    assertEquals(await read(source(tar(file("f", "")), nothing, chunk), 0, 0), nothing);
  });

  Deno.test(`readEntryContent() parses files with extended headers in chunks of ${chunk}`, async () => {
    const content = mixture(3000);
    const archive = tar(file(LONG_NAME, content, { pax: { path: LONG_NAME } }));

    assertEquals(await read(source(archive, nothing, chunk), 0, 3000), content);
  });
}

Deno.test("readEntryContent() reads the whole archive if seeking leads to other data", async () => {
  const content = mixture(3000);
  const whole = concat(dir("d"), tar(file("f", content)));
  const damaged = header({ name: "f", size: 3000, typeflag: "0" });
  damaged[0] = 1;
  const others = [
    file("f", mixture(2999)),
    dir("f"),
    concat(damaged, content),
    file("f", content).subarray(0, 1000),
    new Uint8Array(100),
  ];

  for (const other of others) {
    const bytes = new Uint8Array(other);
    assertEquals(await read(source(bytes, whole, 700), 512, 3000), content);
  }
});

Deno.test("readEntryContent() rejects an archive that ends before the file does", async () => {
  const archive = tar(file("f", mixture(3000))).slice(0, 1500);

  await assertRejects(() => read(source(archive, archive, 700), 0, 3000), Error, "ends before");
});
