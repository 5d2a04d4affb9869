import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { unpack } from "../../../cache/mod.ts";
import { parseReference } from "../../../registry/mod.ts";
import { ContentStore, ImageFiles } from "../../../store/mod.ts";
import { type ChunkedEntry, stargzLayer, zstdChunkedLayer } from "../../_support/chunked_layer.ts";
import { faultyRegistry } from "../../_support/faulty_registry.ts";
import { buildImage, type LayerInput, MemoryContent } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { hardlink } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { readTree } from "../../_support/tree.ts";
import { testClient } from "../../registry/_client.ts";

/** Layers of which some have no table, the base first. */
type Stack = readonly LayerInput[];

/** Everything that an image shows, or the error. */
async function filesOf(files: ImageFiles, paths: readonly string[]): Promise<unknown> {
  const shown: Record<string, unknown> = {};
  for (const path of ["", ...paths]) {
    shown[path] = await outcomeOf(async () => ({
      link: shapeOf(await files.find(path, false)),
      file: shapeOf(await files.find(path)),
      list: await Array.fromAsync(files.list(path), shapeOf),
    }));
    shown[`cat ${path}`] = await outcomeOf(() => files.readText(path));
  }
  return shown;
}

function shapeOf(file: Awaited<ReturnType<ImageFiles["find"]>>): unknown {
  if (file === undefined) return undefined;
  const { path, target, status: { type, mode, uid, gid, size, nlink } } = file;
  return { path, target, type, mode, uid, gid, size, nlink };
}

/** The result, or the kind of the error. */
async function outcomeOf<T>(act: () => Promise<T>): Promise<T | string> {
  try {
    return await act();
  } catch (error) {
    return (error as Error).name;
  }
}

async function assertSame(layers: Stack, paths: readonly string[]): Promise<void> {
  await using temp = await makeTempDir();
  await using registry = faultyRegistry(
    new MemoryContent().add("a/b", "1", buildImage({ layers })),
  );
  using client = testClient();
  const platform = "linux/amd64";
  const image = await client.image(parseReference(`${registry.host}/a/b:1`), { platform });
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  const [one, other] = [temp.join("one"), temp.join("other")];

  const lazy = new ImageFiles(await ContentStore.open(one), image, { onWarning });
  const whole = new ImageFiles(await ContentStore.open(other), image, { partial: false });
  assertEquals(await filesOf(lazy, paths), await filesOf(whole, paths));

  for (const [index, path] of paths.slice(0, 3).entries()) {
    const unpackTo = (name: string, partial: boolean) =>
      outcomeOf(async () => {
        const directory = temp.join(`${name}-${index}`);
        const store = temp.join(`${name}-store`);
        const options = { store, client, platform, partial, paths: [path], onWarning };
        await unpack(`${registry.host}/a/b:1`, directory, options);
        return [...readTree(directory)].map(([path, { mtime: _, ...state }]) => [path, state]);
      });
    assertEquals(await unpackTo("part", true), await unpackTo("all", false));
  }
  assertEquals(warnings, []);
}

const NAMES = fc.constantFrom("a", "b", "c");
const PATHS = fc.array(NAMES, { minLength: 1, maxLength: 3 }).map((names) => names.join("/"));
const TARGETS = fc.oneof(PATHS, PATHS.map((path) => `/${path}`), fc.constantFrom("..", ".", "/"));
/** Compressible and larger than a chunk, or short, or empty. */
const CONTENTS = fc.oneof(
  fc.string({ maxLength: 20 }).map((text) => text.repeat(20)),
  fc.constantFrom("", "x"),
).map((text) => new TextEncoder().encode(text));
const ENTRY: fc.Arbitrary<ChunkedEntry> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ file: PATHS, content: CONTENTS, mode: fc.constantFrom(0o600, 0o755) }),
  },
  { weight: 3, arbitrary: PATHS.map((dir) => ({ dir })) },
  { weight: 2, arbitrary: fc.record({ symlink: PATHS, target: TARGETS }) },
  {
    weight: 2,
    arbitrary: fc.tuple(PATHS, PATHS).map(([path, target]) => {
      return { hardlink: path, target, bytes: hardlink(path, target) };
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(PATHS, fc.constantFrom("a", "b", ".wh..opq")).map(([path, name]) => {
      return { file: `${path}/.wh.${name}`, content: new Uint8Array() };
    }),
  },
);
const LAYER = fc.tuple(
  fc.constantFrom(stargzLayer, zstdChunkedLayer),
  fc.array(ENTRY, { maxLength: 6 }),
  fc.boolean(),
).map(([write, entries, hasTable]): LayerInput => {
  const { descriptor, ...layer } = write(entries, { chunkSize: 50 });
  return hasTable ? { ...layer, ...descriptor && { descriptor } } : layer;
});

Deno.test("ImageFiles and unpack() show the same files by tables as by archives", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(LAYER, { minLength: 1, maxLength: 3 }),
      fc.uniqueArray(PATHS, { minLength: 1, maxLength: 6 }),
      async (layers, paths) => await assertSame(layers, [...paths, "stargz.index.json"]),
    ),
    { numRuns: 12 },
  );
});
