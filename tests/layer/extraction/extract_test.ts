import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import fs from "node:fs";
import { ExtractError, extractLayer } from "../../../layer/mod.ts";
import { DigestMismatchError, digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import { aclsIn, makeInherited } from "../../_support/acl.ts";
import "../../_support/native_backend.ts";
import { peerTest } from "../../_support/peers.ts";
import { run } from "../../_support/process.ts";
import { linuxTest } from "../../_support/skip.ts";
import {
  concat,
  dir,
  file,
  gzip,
  hardlink,
  noise,
  sparse,
  symlink,
  tar,
  whiteout,
  zstd,
} from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";

const BACKENDS = ["native", "pure"] as const;

const SQUASH = { ownership: "squash" } as const;

function stream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream();
}

Deno.test("extractLayer() says which name is not UTF-8", async () => {
  await using temp = await makeTempDir();
  const bytes = Uint8Array.of(0xff);
  const layer = tar(file(bytes, "x"), symlink("link", bytes));

  const { skipped } = await extractLayer(stream(layer), temp.path, { ...SQUASH, backend: "pure" });

  assertEquals(skipped.map(({ reason }) => reason), [
    "its name is not UTF-8, which requires --allow-ffi",
    "the target of the link is not UTF-8, which requires --allow-ffi",
  ]);
});

Deno.test.each(["EPERM", "ENOSYS"])(
  "extractLayer() copies a file if link() fails with %s",
  async (code) => {
    await using temp = await makeTempDir();
    const layer = tar(file("f", "x"), hardlink("g", "f"));
    const { linkSync } = fs;
    fs.linkSync = () => {
      throw Object.assign(new Error(code), { code });
    };
    using _ = { [Symbol.dispose]: () => void (fs.linkSync = linkSync) };

    const { skipped } = await extractLayer(stream(layer), temp.path, {
      ...SQUASH,
      backend: "pure",
    });

    assertEquals(await Deno.readTextFile(temp.join("g")), "x");
    assertEquals(skipped.map(({ path }) => path), ["g"]);
    assertStringIncludes(skipped[0]?.reason ?? "", "it was copied instead");
  },
);

Deno.test.each([
  { name: "gzip", compress: gzip },
  { name: "zstd", compress: zstd },
  { name: "none", compress: (bytes: Uint8Array) => new Uint8Array(bytes) },
])("extractLayer() extracts a layer with compression $name", async ({ compress }) => {
  await using temp = await makeTempDir();
  const bytes = new Uint8Array(compress(tar(file("f", "x"))));

  const report = await extractLayer(stream(bytes), temp.path, SQUASH);

  assertEquals([report.entries, report.bytes], [1, 1]);
  assertEquals(await Deno.readTextFile(temp.join("f")), "x");
});

Deno.test("extractLayer() creates the root and its parents with mode 755", async () => {
  await using temp = await makeTempDir();

  await extractLayer(stream(tar(file("f", "x"))), temp.join("a", "b"), SQUASH);

  assertEquals(await Deno.readTextFile(temp.join("a", "b", "f")), "x");
  assertEquals(((await Deno.stat(temp.join("a", "b"))).mode ?? 0) & 0o7777, 0o755);
});

Deno.test("extractLayer() keeps an existing root with the extracted files", async () => {
  await using temp = await makeTempDir();
  const layer = tar(file("before", "x"), file(".wh...", ""));

  await assertRejects(() => extractLayer(stream(layer), temp.path, SQUASH), ExtractError);

  assertEquals(await Deno.readTextFile(temp.join("before")), "x");
});

Deno.test("extractLayer() rejects a root that is a file", async () => {
  await using temp = await makeTempDir();
  await Deno.writeTextFile(temp.join("f"), "keep");

  await assertRejects(
    () => extractLayer(stream(tar(file("g", "x"))), temp.join("f"), SQUASH),
    ExtractError,
    "is not a directory",
  );

  assertEquals(await Deno.readTextFile(temp.join("f")), "keep");
});

Deno.test("extractLayer() reads the stream to its end", async () => {
  await using temp = await makeTempDir();
  const archive = concat(tar(file("f", "x")), noise(200_000));
  const wrong = digestOf(tar(file("f", "x")));

  await assertRejects(
    () =>
      extractLayer(stream(archive), temp.join("root"), {
        ...SQUASH,
        descriptor: { mediaType: OCI_LAYER, digest: wrong, size: archive.length },
      }),
    DigestMismatchError,
  );

  assertEquals(await exists(temp.join("root")), false);
});

for (const backend of BACKENDS) {
  Deno.test(`extractLayer() replaces runs of zeros with holes, ${backend} backend`, async () => {
    await using temp = await makeTempDir({ large: true });
    const content = new Uint8Array(2_000_000);
    content.set(noise(100_000), 500_000);
    const layer = tar(
      file("lastlog", content),
      sparse("faillog", 400_000_000_000, [{ offset: 399_999_999_000, data: "end" }], "pax-1.0"),
    );

    await extractLayer(stream(layer), temp.path, { backend, ...SQUASH });

    const [lastlog, faillog] = await Promise.all(
      ["lastlog", "faillog"].map((name) => Deno.stat(temp.join(name))),
    );
    assertEquals([lastlog?.size, faillog?.size], [2_000_000, 400_000_000_000]);
    assertEquals(await Deno.readFile(temp.join("lastlog")), content);
    assert((lastlog?.blocks ?? 0) * 512 <= 120_000, `${lastlog?.blocks} blocks`);
    assert((faillog?.blocks ?? 0) * 512 <= 65_536, `${faillog?.blocks} blocks`);
  });
}

peerTest({
  name: "extractLayer() does not remove mounts in the tree",
  needs: ["mount", "umount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  await Deno.mkdir(temp.join("root", "d", "mnt"), { recursive: true });
  await run("mount", ["-t", "tmpfs", "tmpfs", temp.join("root", "d", "mnt")]);
  try {
    await Deno.writeTextFile(temp.join("root", "d", "mnt", "keep"), "keep");

    await assertRejects(
      () => extractLayer(stream(tar(whiteout("d"))), temp.join("root")),
      ExtractError,
      "mount point",
    );

    assertEquals(await Deno.readTextFile(temp.join("root", "d", "mnt", "keep")), "keep");
  } finally {
    await run("umount", [temp.join("root", "d", "mnt")]);
  }
});

Deno.test("readTree() and describeTree() describe each entry in one line", async () => {
  await using temp = await makeTempDir();

  await extractLayer(stream(tar(dir("d", { mode: 0o700 }), file("d/f", "x"))), temp.path, SQUASH);

  const lines = describeTree(readTree(temp.path));
  assertStringIncludes(lines["d"] ?? "", "dir 700");
  assertStringIncludes(lines["d/f"] ?? "", '"x"');
});

linuxTest("extractLayer() takes no access control list from above the root", async () => {
  await using temp = await makeTempDir();
  makeInherited(temp.path);

  await extractLayer(stream(tar(file("a/b", "x"))), temp.join("root"), SQUASH);

  assertEquals(aclsIn(temp.join("root")), []);
});
