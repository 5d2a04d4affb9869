import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  applyLayers,
  ExtractError,
  extractLayer,
  FileQueue,
  mountTmpfs,
  openFileTree,
  unmountTree,
} from "../../../layer/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import { rootTest } from "../../_support/skip.ts";
import { dir, file, hardlink, noise, symlink, tar, whiteout } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { CORPUS } from "../_corpus/mod.ts";
import { runCase } from "../_corpus/run.ts";
import { helpedQueue } from "./_file_helper.ts";

function stream(bytes: Uint8Array<ArrayBuffer>): ReadableStream<Uint8Array> {
  return new Blob([bytes]).stream();
}

/** Files of every size about the largest that waits, and all that is done with some of them. */
function manyFiles(): Uint8Array<ArrayBuffer> {
  const sizes = [0, 1, 511, 512, 16_383, 16_384, 16_385, 70_000];
  const files = Array.from({ length: 1500 }, (_, i) => {
    const content = noise(sizes[i % sizes.length] ?? 0);
    const mode = i % 7 === 0 ? 0o4755 : i % 11 === 0 ? 0o400 : 0o644;
    return file(`d/${i}`, content, { mode, mtime: i * 1000, ...(i % 13 === 0 && { uid: i }) });
  });
  const again = Array.from({ length: 300 }, (_, i) => file(`d/${i * 5}`, `again ${i}`));
  const links = Array.from({ length: 300 }, (_, i) => hardlink(`link-${i}`, `d/${i * 5}`));
  return tar(dir("d", { mtime: 7 }), ...files, ...again, ...links, symlink("d/1", "gone"));
}

rootTest(
  "files that another thread fills are those that this one would fill",
  async () => {
    await using temp = await makeTempDir({ large: true });
    const layers = [manyFiles(), tar(whiteout("d/17"), file("d/18", "new"))];
    const alone = await applyLayers(fromLayers(layers), temp.join("alone"));
    using helped = await helpedQueue();

    const { files } = helped;
    const report = await applyLayers(fromLayers(layers), temp.join("helped"), { files });

    assertEquals(report, alone);
    assertEquals(
      describeTree(readTree(temp.join("helped"))),
      describeTree(readTree(temp.join("alone"))),
    );
  },
);

/** The same without the names of directories that each run has anew. */
function named(tree: unknown): string {
  return JSON.stringify(tree).replaceAll(/oci-test-[0-9a-f]+/g, "oci-test");
}

rootTest("every case of the corpus is the same with another thread", async () => {
  using helped = await helpedQueue();
  const { files } = helped;
  for (const test of Object.values(CORPUS).flat()) {
    const alone = await runCase(test, { backend: "native" });
    const { tree, error, outside } = await runCase(test, { backend: "native", files });
    assertEquals(outside[1], outside[0], test.name);
    assertEquals((error as Error)?.name, (alone.error as Error)?.name, test.name);
    if (alone.error === undefined) assertEquals(named(tree), named(alone.tree), test.name);
  }
});

rootTest("layers that are extracted at the same time share a thread", async () => {
  await using temp = await makeTempDir({ large: true });
  using helped = await helpedQueue();
  const { files } = helped;
  const layer = manyFiles();
  const roots = ["a", "b", "c"].map((name) => temp.join(name));

  await Promise.all(roots.map((root) => extractLayer(stream(layer), root, { files })));

  const [first, ...others] = roots.map((root) => describeTree(readTree(root)));
  for (const other of others) assertEquals(other, first);
});

rootTest(
  "a file that another thread could not fill fails the extraction",
  async () => {
    await using temp = await makeTempDir();
    await Deno.mkdir(temp.join("full"));
    mountTmpfs(temp.join("full"), { sizeBytes: 1_048_576 });
    try {
      using helped = await helpedQueue();
      const entries = Array.from({ length: 400 }, (_, i) => file(`f${i}`, noise(8000)));

      const error = await assertRejects(
        () => extractLayer(stream(tar(...entries)), temp.join("full"), { files: helped.files }),
        ExtractError,
      );

      assertStringIncludes(error.message, "No space left on device");
    } finally {
      unmountTree(temp.join("full"));
    }
  },
);

/** The beginning of a layer, within its only file. */
async function* cut(): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(tar(file("f", noise(20_000))).subarray(0, 8000));
  throw new Error("cut");
}

rootTest(
  "a file that cannot be closed does not hide why the extraction failed",
  async () => {
    await using temp = await makeTempDir();
    await Deno.mkdir(temp.join("full"));
    mountTmpfs(temp.join("full"), { sizeBytes: 65_536 });
    try {
      await Deno.writeFile(temp.join("full", "filler"), new Uint8Array(65_536));
      using helped = await helpedQueue();

      await assertRejects(
        () => extractLayer(ReadableStream.from(cut()), temp.join("full"), { files: helped.files }),
        Error,
        "cut",
      );
    } finally {
      unmountTree(temp.join("full"));
    }
  },
);

Deno.test("files are filled where they are made while nobody serves the queue", async () => {
  await using temp = await makeTempDir();
  let demands = 0;
  using files = new FileQueue({ onDemand: () => demands++ });
  {
    using tree = openFileTree(temp.path, { files });
    for (let i = 0; i < 4000; i++) {
      using file = tree.createFile(`${i}`);
      file?.write(new Uint8Array(3), 0);
      file?.setTimes(1, 2);
    }
    assertEquals(tree.status("3999")?.size, 3);
    assertEquals(demands, tree.backend === "native" ? 1 : 0);
  }
});

rootTest("what reads a file waits until it is filled", async () => {
  await using temp = await makeTempDir();
  using helped = await helpedQueue();
  using tree = openFileTree(temp.path, { files: helped.files });
  for (let i = 0; i < 200; i++) {
    {
      using file = tree.createFile(`${i}`);
      file?.write(new TextEncoder().encode(`file ${i}`), 0);
      file?.setTimes(i, 0);
    }
    using reader = tree.openFile(`${i}`);
    const buffer = new Uint8Array(20);
    const length = reader.read(buffer);

    assertEquals(new TextDecoder().decode(buffer.subarray(0, length)), `file ${i}`);
    assertEquals(tree.status(`${i}`)?.mtime, i);
  }
});

rootTest("serveFiles() returns when the queue is disposed of", async () => {
  const worker = new Worker(new URL("../extraction/_telling_worker.ts", import.meta.url), {
    type: "module",
  });
  const answer = new Promise((resolve) => worker.onmessage = ({ data }) => resolve(data));
  const helped = await helpedQueue(worker);

  helped.files[Symbol.dispose]();

  assertEquals(await answer, "over");
  helped[Symbol.dispose]();
});
