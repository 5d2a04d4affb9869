import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { ExtractError, extractLayer, MemoryTree } from "../../../layer/mod.ts";
import { withCode } from "../../../spec/error_facts.ts";
import { LimitError } from "../../../spec/mod.ts";
import "../../_support/native_backend.ts";
import {
  dir,
  file,
  gzip,
  hardlink,
  header,
  sparse,
  symlink,
  tar,
  whiteout,
} from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";

const SQUASH = { ownership: "squash" } as const;

function stream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([bytes]).stream();
}

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
  const deep = Array.from({ length: 6 }, (_, i) => file(`${i}/${"a/".repeat(2000)}f`, ""));
  const parent = `${"b".repeat(250)}/`.repeat(14);
  const long = Array.from({ length: 9500 }, (_, i) => {
    return file(`${parent}${i}/${"c".repeat(250)}/f`, "");
  });
  const extract = async (files: readonly Uint8Array[]) => {
    await extractLayer(stream(tar(...files)), new MemoryTree(), SQUASH);
  };

  await extract(long.slice(0, 10));
  const levels = await assertRejects(() => extract(deep), LimitError);
  const bytes = await assertRejects(() => extract(long), LimitError);

  assertEquals(levels.limit, "levels beyond 64 of directories without entries");
  assertEquals(bytes.limit, "bytes in paths of directories without entries");
  // The entries before the one that exceeds the limit are accepted.
  assertEquals(levels.value - levels.max < 2000, true, `${levels.value}`);
  assertEquals(bytes.value - bytes.max < 4096, true, `${bytes.value}`);
});

Deno.test("extractLayer() limits the paths that links in a name lead to", async () => {
  const long = "n".repeat(250);
  const steps = Array.from({ length: 16 }, (_, i) => `${"s/".repeat(i)}`);
  const links = steps.flatMap((step) => [dir(`${step}${long}`), symlink(`${step}s`, long)]);
  const extract = async (root: string | MemoryTree, name: string) => {
    await extractLayer(stream(tar(...links, file("s/".repeat(16) + name))), root, SQUASH);
  };
  await using temp = await makeTempDir();

  for (const root of [temp.join("root"), new MemoryTree()]) {
    await extract(root, "f".repeat(80));
    const error = await assertRejects(() => extract(root, "f".repeat(81)), ExtractError);
    assertStringIncludes(error.message, "its path is too long");
  }
});

Deno.test("extractLayer() accepts a whiteout of a file with a path of 4096 bytes", async () => {
  const path = `${"d/".repeat(2047)}ff`;
  const tree = new MemoryTree();
  await extractLayer(stream(tar(file(path))), tree, SQUASH);

  await extractLayer(stream(tar(whiteout(path))), tree, SQUASH);

  assertEquals([...tree.directories()].at(-1)?.isEmpty, true);
});

Deno.test("extractLayer() limits the copies in place of hard links, which keep holes", async () => {
  const links = Array.from({ length: 3 }, (_, i) => hardlink(`l${i}`, "f"));
  const extract = async (root: string, size: number) => {
    using tree = openFileTree(root, { backend: "pure" });
    tree.makeLink = () => {
      throw withCode(new Error("Operation not permitted"), "EPERM");
    };
    await extractLayer(stream(tar(sparse("f", size, [], "gnu"), ...links)), tree, SQUASH);
  };
  await using copied = await makeTempDir({ large: true });
  await using refused = await makeTempDir({ large: true });

  await extract(copied.path, 200_000);
  const error = await assertRejects(() => extract(refused.path, 2 ** 35), LimitError);

  const { size, blocks } = await Deno.stat(copied.join("l2"));
  assertEquals([size, blocks], [200_000, 0]);
  assertEquals(error.limit, "bytes in copies");
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
