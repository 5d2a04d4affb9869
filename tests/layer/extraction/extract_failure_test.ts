import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { ExtractError, extractLayer, type TarHeader } from "../../../layer/mod.ts";
import {
  DiffIdMismatchError,
  DigestMismatchError,
  digestOf,
  OCI_LAYER,
} from "../../../spec/mod.ts";
import { mountTest } from "../../_support/mounting.ts";
import "../../_support/native_backend.ts";
import { peerTest } from "../../_support/peers.ts";
import { run } from "../../_support/process.ts";
import { dir, file, gzip, hardlink, noise, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

const BACKENDS = ["native", "pure"] as const;

const SQUASH = { ownership: "squash" } as const;

function stream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream();
}

async function namesIn(path: string): Promise<readonly string[]> {
  return (await Array.fromAsync(Deno.readDir(path))).map(({ name }) => name);
}

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

  Deno.test(`extractLayer() removes files of aufs when it fails, and earlier ones, ${backend} backend`, async () => {
    await using temp = await makeTempDir();
    const files = [file(".wh..wh.plnk/1", "x"), hardlink("a", ".wh..wh.plnk/1")];
    const failing = tar(...files, hardlink("b", "missing"));
    const options = { backend, ...SQUASH };

    await assertRejects(() => extractLayer(stream(failing), temp.path, options), ExtractError);
    const failed = await namesIn(temp.path);
    await Deno.mkdir(temp.join(".wh..wh.plnk"));
    await Deno.symlink("/etc", temp.join(".wh..wh.plnk", "1"));
    await extractLayer(stream(tar(...files)), temp.path, options);

    assertEquals(failed, ["a"]);
    assertEquals(await namesIn(temp.path), ["a"]);
    assertEquals(await Deno.readTextFile(temp.join("a")), "x");
  });
}

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
