import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import {
  applyLayers,
  ExtractError,
  extractLayer,
  MemoryTree,
  StackingExtractor,
  type TarHeader,
} from "../../../layer/mod.ts";
import { openFileTree } from "../../../layer/trees/open_tree.ts";
import {
  DiffIdMismatchError,
  DigestMismatchError,
  digestOf,
  LimitError,
  OCI_LAYER,
} from "../../../spec/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { mountTest } from "../../_support/mounting.ts";
import { peerTest } from "../../_support/peers.ts";
import { run } from "../../_support/process.ts";
import {
  concat,
  dir,
  file,
  gzip,
  header,
  noise,
  sparse,
  symlink,
  tar,
  whiteout,
  zstd,
} from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

const BACKENDS = ["native", "pure"] as const;
const SQUASH = { ownership: "squash" } as const;

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

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

for (const backend of BACKENDS) {
  Deno.test(`extractLayer() removes a created root when it fails, ${backend} backend`, async () => {
    await using temp = await makeTempDir();
    const layer = tar(dir("d", { mode: 0 }), file("d/f", "x"), file(".wh...", ""));

    await assertRejects(
      () => extractLayer(stream(layer), temp.join("a", "b"), { backend, ...SQUASH }),
      ExtractError,
    );

    assertEquals(await exists(temp.join("a")), false);
  });

  Deno.test(`extractLayer() restores the modes of directories when it fails, ${backend} backend`, async () => {
    await using temp = await makeTempDir();
    await extractLayer(stream(tar(dir("d", { mode: 0o111 }))), temp.path, { backend, ...SQUASH });

    await assertRejects(
      () =>
        extractLayer(stream(tar(file("d/f", "x"), file(".wh...", ""))), temp.path, {
          backend,
          ...SQUASH,
        }),
      ExtractError,
    );

    assertEquals(((await Deno.stat(temp.join("d"))).mode ?? 0) & 0o7777, 0o111);
  });
}

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

Deno.test("extractLayer() reports the layer, the entry and its offset", async () => {
  await using temp = await makeTempDir();
  const layer = tar(file("good", "x"), file("bad\0", "x", { pax: { path: "bad\0" } }));

  const error = await assertRejects(
    () => extractLayer(stream(layer), temp.path, { ...SQUASH, layer: "sha256:abc" }),
    ExtractError,
  );

  assertEquals(error.layer, "sha256:abc");
  assertEquals(error.offset >= 1024, true);
  assertStringIncludes(error.message, "layer sha256:abc");
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

Deno.test("extractLayer() reports a wrong digest rather than damage", async () => {
  await using temp = await makeTempDir();
  const good = gzip(tar(file("f", noise(300_000))));
  const bad = new Uint8Array(good);
  bad.fill(0, 1000, 2000);

  await assertRejects(
    () =>
      extractLayer(stream(bad), temp.join("root"), {
        ...SQUASH,
        descriptor: { mediaType: OCI_LAYER, digest: digestOf(good), size: good.length },
      }),
    DigestMismatchError,
  );
});

Deno.test("extractLayer() reports damage if the digest is correct", async () => {
  await using temp = await makeTempDir();
  const bad = gzip(tar(file("f", noise(300_000)))).slice(0, 100_000);

  const error = await assertRejects(
    () =>
      extractLayer(stream(bad), temp.join("root"), {
        ...SQUASH,
        descriptor: { mediaType: OCI_LAYER, digest: digestOf(bad), size: bad.length },
      }),
    ExtractError,
    "truncated",
  );

  assertEquals(error.path, "f");
});

Deno.test("extractLayer() rejects an archive that does not match the DiffID", async () => {
  await using temp = await makeTempDir();
  const archive = tar(file("f", "x"));

  const error = await assertRejects(
    () =>
      extractLayer(stream(gzip(archive)), temp.join("root"), {
        ...SQUASH,
        diffId: digestOf(tar()),
      }),
    DiffIdMismatchError,
  );

  assertEquals(error.actual, digestOf(archive));
  assertEquals(await exists(temp.join("root")), false);
});

Deno.test("extractLayer() stops with the signal's reason and cancels the stream with it", async () => {
  await using temp = await makeTempDir();
  const controller = new AbortController();
  const reason = new Error("enough");
  let canceled: unknown;
  const endless = new ReadableStream<Uint8Array>({
    pull(stream) {
      stream.enqueue(tar(file("f", "x")).slice(0, 1024));
      controller.abort(reason);
    },
    cancel(why) {
      canceled = why;
    },
  });

  const error = await assertRejects(() =>
    extractLayer(endless, temp.join("root"), { ...SQUASH, signal: controller.signal })
  );

  assertEquals(error, reason);
  assertEquals(canceled, reason);
  assertEquals(await exists(temp.join("root")), false);
});

for (
  const { why, root, options } of [
    { why: "the root is not a directory", root: "file", options: {} },
    { why: "a limit of the decompressor is invalid", root: "root", options: { maxRatio: NaN } },
    { why: "a limit of the tar reader is invalid", root: "root", options: { maxEntries: NaN } },
  ]
) {
  Deno.test(`extractLayer() cancels the stream if ${why}`, async () => {
    await using temp = await makeTempDir();
    await Deno.writeTextFile(temp.join("file"), "");
    let reason: unknown;
    const unread = new ReadableStream<Uint8Array>({ cancel: (error) => void (reason = error) });

    const error = await assertRejects(() =>
      extractLayer(unread, temp.join(root), { ...SQUASH, ...options })
    );

    assertEquals(reason, error);
  });
}

mountTest("extractLayer() reports why it fails even if it cannot remove the root", async () => {
  await using temp = await makeTempDir();
  const root = temp.join("root");
  const handler = (header: TarHeader) => {
    if (header.path !== "bad") return header;
    mountTmpfs(`${root}/d`);
    Deno.writeTextFileSync(`${root}/d/keep`, "keep");
    throw new Error("the handler fails");
  };
  try {
    await assertRejects(
      () => extractLayer(stream(tar(dir("d"), file("bad"))), root, { ...SQUASH, handler }),
      Error,
      "the handler fails",
    );

    assertEquals(await Deno.readTextFile(`${root}/d/keep`), "keep");
  } finally {
    unmountTree(temp.path);
  }
});

Deno.test("extractLayer() fails with the error of the stream", async () => {
  await using temp = await makeTempDir();
  const broken = new ReadableStream<Uint8Array>({
    pull() {
      throw new Error("the connection is gone");
    },
  });

  await assertRejects(
    () => extractLayer(broken, temp.join("root"), SQUASH),
    Error,
    "the connection is gone",
  );
});

Deno.test("extractLayer() limits the number of entries", async () => {
  await using temp = await makeTempDir();
  const layer = tar(file("a", "x"), file("b", "y"));

  await extractLayer(stream(layer), temp.join("two"), { ...SQUASH, maxEntries: 2 });
  const error = await assertRejects(
    () => extractLayer(stream(layer), temp.join("one"), { ...SQUASH, maxEntries: 1 }),
    LimitError,
  );

  assertEquals([error.max, error.value], [1, 2]);
  assertEquals(await exists(temp.join("one")), false);
});

Deno.test("extractLayer() limits the directories without entries", async () => {
  const deep = [0, 1, 2, 3, 4, 5].map((i) => file(`${i}/${"a/".repeat(2000)}f`, ""));
  const long = Array.from({ length: 2500 }, (_, i) => {
    return file(`${i}/${`${"b".repeat(250)}/`.repeat(15)}f`, "");
  });
  const extract = async (files: readonly Uint8Array[]) => {
    await extractLayer(stream(tar(...files)), new MemoryTree(), SQUASH);
  };

  await extract(deep.slice(1));
  await extract(long.slice(0, 10));
  const levels = await assertRejects(() => extract(deep), LimitError);
  const bytes = await assertRejects(() => extract(long), LimitError);

  assertEquals(levels.limit, "levels beyond 64 of directories without entries");
  assertEquals(bytes.limit, "bytes in paths of directories without entries");
});

Deno.test("extractLayer() rejects a decompression bomb", async () => {
  await using temp = await makeTempDir();
  const bomb = gzip(tar(file("zeros", new Uint8Array(90_000_000))));

  await assertRejects(
    () => extractLayer(stream(bomb), temp.join("root"), { ...SQUASH, maxRatio: 100 }),
    LimitError,
    'found in "zeros"',
  );

  assertEquals(await exists(temp.join("root")), false);
});

Deno.test("applyLayers() limits the bytes of all layers together", async () => {
  await using temp = await makeTempDir();
  const layers = fromLayers([tar(file("a", noise(3000))), tar(file("b", noise(3000)))]);
  const size = layers.reduce((total, { descriptor }) => total + descriptor.size, 0);

  await applyLayers(layers, temp.join("enough"), { ...SQUASH, maxBytes: size });
  await assertRejects(
    () => applyLayers(layers, temp.join("little"), { ...SQUASH, maxBytes: size - 1 }),
    LimitError,
  );

  assertEquals(await exists(temp.join("enough", "b")), true);
  assertEquals(await exists(temp.join("little")), false);
});

Deno.test("applyLayers() adds up the reports of all layers", async () => {
  await using temp = await makeTempDir();
  const layers = fromLayers([
    tar(file("a", "xyz"), dir("d")),
    tar(whiteout("a"), file("d/f", "12"), file("new/f", "3")),
  ]);

  const report = await applyLayers(layers, temp.path, SQUASH);

  assertEquals([report.entries, report.bytes, report.skippedCount], [5, 6, 0]);
  assertEquals(report.impliedDirectories, ["new"]);
});

Deno.test("applyLayers() opens a layer only after the one below it is extracted", async () => {
  await using temp = await makeTempDir();
  const order: string[] = [];
  const layers = fromLayers([tar(file("a", "1")), tar(file("b", "2"))]).map((layer, i) => ({
    ...layer,
    compressed: async () => {
      order.push(`open ${i}, a ${await exists(temp.join("a"))}`);
      return await layer.compressed();
    },
  }));

  await applyLayers(layers, temp.path, SQUASH);

  assertEquals(order, ["open 0, a false", "open 1, a true"]);
});

Deno.test("StackingExtractor rejects two layers at once", async () => {
  await using temp = await makeTempDir();
  using tree = openFileTree(temp.path);
  const extractor = new StackingExtractor(tree, SQUASH);
  const [layer] = fromLayers([tar(file("a", "1"))]);
  assert(layer !== undefined);

  const first = extractor.extract(layer);
  await assertRejects(() => extractor.extract(layer), TypeError, "await the first");
  await first;

  assertEquals(extractor.report().entries, 1);
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

Deno.test("extractLayer() extracts 3 GB of zeros as a hole", async () => {
  await using temp = await makeTempDir({ large: true });
  const size = 3_000_000_000;
  const zeros = new Uint8Array(4_194_304);
  async function* archive() {
    yield header({ name: "zeros", size, mode: 0o644, typeflag: "0", magic: "ustar\x0000" });
    const padded = Math.ceil(size / 512) * 512;
    for (let at = 0; at < padded; at += zeros.length) {
      yield zeros.subarray(0, Math.min(zeros.length, padded - at));
    }
    yield await Promise.resolve(new Uint8Array(1024));
  }

  await extractLayer(ReadableStream.from(archive()), temp.path, SQUASH);

  const { size: actual, blocks } = await Deno.stat(temp.join("zeros"));
  assertEquals(actual, size);
  assert((blocks ?? 0) * 512 < 1_048_576, `${blocks} blocks`);
});

peerTest({
  name: "extractLayer() names the entry that filled the disk",
  needs: ["mount", "umount"],
  root: true,
}, async () => {
  await using temp = await makeTempDir();
  const { code, stderr } = await run("mount", [
    ...["-t", "tmpfs", "-o", "size=256k", "tmpfs", temp.path],
  ]);
  assertEquals(code, 0, stderr);
  try {
    const layer = tar(file("small", "x"), file("large", noise(1_000_000)));

    const error = await assertRejects(
      () => extractLayer(stream(layer), temp.join("root"), { layer: "sha256:abc" }),
      ExtractError,
      "the disk is full",
    );

    assertEquals([error.layer, error.path, error.offset], ["sha256:abc", "large", 1024]);
    assertEquals(await exists(temp.join("root")), false);
  } finally {
    await run("umount", [temp.path]);
  }
});

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
