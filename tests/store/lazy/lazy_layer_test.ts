import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { ExtractError, type LayerLimits } from "../../../layer/mod.ts";
import { parseReference, type RemoteClient } from "../../../registry/mod.ts";
import {
  type BlobReadOptions,
  DigestMismatchError,
  digestOf,
  LimitError,
  OCI_LAYER,
} from "../../../spec/mod.ts";
import { LazyLayer } from "../../../store/lazy/lazy_layer.ts";
import { ContentStore, ImageFiles, type ImageFilesOptions } from "../../../store/mod.ts";
import { concat, noise } from "../../_support/bytes.ts";
import {
  type ChunkedEntry,
  type ChunkedLayerOptions,
  nerdctlChunkedLayer,
  stargzFooter,
  stargzLayer,
  type TableFields,
  zstdChunkedLayer,
} from "../../_support/chunked_layer.ts";
import { type FaultRule, faultyRegistry, ignoreRange, on } from "../../_support/faulty_registry.ts";
import { buildImage, type LayerInput, MemoryContent } from "../../_support/image.ts";
import { chunked } from "../../_support/memory_content.ts";
import "../../_support/native_backend.ts";
import { file, hardlink, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { testClient } from "../../registry/_client.ts";

const KIB = 1024;
const LARGE = noise(300 * KIB, 7);
const CONFIG = new TextEncoder().encode("answer = 42\n");

const ENTRIES: readonly ChunkedEntry[] = [
  { dir: "etc" },
  { file: "etc/config", content: CONFIG, mode: 0o640 },
  { file: "etc/empty", content: new Uint8Array() },
  { dir: "usr" },
  { file: "usr/large", content: LARGE },
  { symlink: "link", target: "etc/config" },
  { hardlink: "usr/same", target: "usr/large", bytes: hardlink("usr/same", "usr/large") },
  { file: "usr/filler", content: noise(800 * KIB, 9) },
];

const FORMATS = [
  { format: "eStargz", write: stargzLayer },
  { format: "zstd:chunked", write: zstdChunkedLayer },
  { format: "zstd:chunked (nerdctl)", write: nerdctlChunkedLayer },
];

interface Scene extends AsyncDisposable {
  readonly files: ImageFiles;
  /** The same files, from whole layers. */
  readonly whole: ImageFiles;
  readonly partial: string[];
  readonly warnings: string[];
  /** Number of requests for blobs since the image was found. */
  requests(): number;
  /** Bytes of blobs sent since then. */
  bytes(): number;
  isStored(): Promise<boolean>;
}

async function makeScene(
  layers: readonly (LayerInput | Uint8Array)[],
  rules: readonly FaultRule[] = [],
  limits: LayerLimits = {},
): Promise<Scene> {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await makeTempDir());
  const image = buildImage({ layers });
  const registry = stack.use(
    faultyRegistry(new MemoryContent().add("a/b", "1", image), rules),
  );
  const client: RemoteClient = stack.use(testClient());
  const reference = parseReference(`${registry.host}/a/b:1`);
  const remote = await client.image(reference, { platform: "linux/amd64" });
  const store = await ContentStore.open(directory.join("store"));
  const other = await ContentStore.open(directory.join("other"));
  const before = { requests: registry.requests.length, bytes: registry.bytesSent("blob") };
  const partial: string[] = [];
  const warnings: string[] = [];
  const options: ImageFilesOptions = {
    ...limits,
    onPartialLayer: ({ digest }) => partial.push(digest),
    onWarning: (message) => warnings.push(message),
  };
  return {
    files: new ImageFiles(store, remote, options),
    whole: new ImageFiles(other, remote, { partial: false }),
    partial,
    warnings,
    requests: () => registry.requests.length - before.requests,
    bytes: () => registry.bytesSent("blob") - before.bytes,
    isStored: () => store.has(remote.layers.at(-1)?.descriptor ?? image.descriptor),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Content of a file, or the error. */
async function bytesOf(files: ImageFiles, path: string): Promise<Uint8Array> {
  return await new Response(await files.read(path)).bytes();
}

Deno.test.each(FORMATS)("ImageFiles reads a file of a remote $format layer by its table", async ({
  write,
}) => {
  await using scene = await makeScene([write(ENTRIES)]);

  assertEquals(await bytesOf(scene.files, "etc/config"), CONFIG);

  assertLess(scene.requests(), 4);
  assertLess(scene.bytes(), 100 * KIB);
  assertEquals([scene.partial.length, scene.warnings], [1, []]);
  assertEquals(await scene.isStored(), false);
});

Deno.test.each(FORMATS)("ImageFiles reads files of several chunks of a $format layer", async ({
  write,
}) => {
  await using scene = await makeScene([write(ENTRIES, { chunkSize: 64 * KIB })]);

  assertEquals(await bytesOf(scene.files, "usr/large"), LARGE);
  assertEquals(await bytesOf(scene.files, "usr/same"), LARGE);
  assertEquals(await bytesOf(scene.files, "link"), CONFIG);
  assertEquals(await bytesOf(scene.files, "etc/empty"), new Uint8Array());
});

Deno.test.each(FORMATS)("ImageFiles lists a $format layer as it does the whole layer", async ({
  write,
}) => {
  await using scene = await makeScene([write(ENTRIES)]);

  const listed = await Array.fromAsync(scene.files.list());
  const whole = await Array.fromAsync(scene.whole.list());

  const shape = (files: typeof listed) =>
    files.map(({ path, target, status }) => {
      const { type, mode, uid, gid, size, nlink } = status;
      return { path, target, type, mode, uid, gid, size, nlink };
    });
  assertEquals(shape(listed), shape(whole));
  for (const { path, status: { type } } of whole) {
    if (type !== "file") continue;
    assertEquals(await bytesOf(scene.files, path), await bytesOf(scene.whole, path));
  }
  assertEquals([await scene.isStored(), scene.warnings], [false, []]);
});

Deno.test.each(FORMATS)("ImageFiles lists a $format layer without entries by its table", async ({
  write,
}) => {
  const change = (entries: TableFields[]) => entries.length === 0 ? null : entries;
  await using scene = await makeScene([write([], { change })]);

  const listed = await Array.fromAsync(scene.files.list(), ({ path }) => path);
  const whole = await Array.fromAsync(scene.whole.list(), ({ path }) => path);

  assertEquals(listed, whole);
  assertEquals([scene.partial.length, scene.warnings], [1, []]);
});

Deno.test("LazyLayer fetches a file of a large eStargz layer with two requests", async () => {
  await using temp = await makeTempDir();
  const shift = 700_000_000;
  const others = Array.from({ length: 20_000 }, (_, i) => ({
    name: `usr/lib/package/directory-${i >> 6}/file-${i}`,
    type: "reg",
    size: 1,
    chunkDigest: digestOf(new TextEncoder().encode(String(i))),
  }));
  const { blob = new Uint8Array(), descriptor } = stargzLayer(ENTRIES, {
    change: (entries) => [
      ...entries.map((entry) => {
        return entry.offset === undefined
          ? entry
          : { ...entry, offset: shift + Number(entry.offset) };
      }),
      ...others,
    ],
  });
  const footer = new TextDecoder().decode(blob.subarray(-35, -19));
  const end = stargzFooter(shift + parseInt(footer, 16));
  // The bytes before the small blob are never read.
  const part = (from: number, to: number) =>
    concat(blob.subarray(0, -end.length), end).slice(from - shift, to - shift);
  const reads: number[] = [];
  const size = shift + blob.length;
  const layer = {
    descriptor: { mediaType: OCI_LAYER, digest: digestOf(blob), size, ...descriptor },
    diffId: digestOf(blob),
    connections: 1,
    compressed: ({ offset = 0, length = size }: BlobReadOptions = {}) => {
      reads.push(length);
      return Promise.resolve(chunked(part(offset, offset + length), 65_536));
    },
  };

  const lazy = await LazyLayer.open(layer, await ContentStore.open(temp.join("store")));
  const content = await new Response(ReadableStream.from(lazy?.content(1) ?? [])).bytes();

  assertEquals(content, CONFIG);
  assertEquals(reads.length, 2);
  assertLess(reads.reduce((sum, length) => sum + length, 0), 2_000_000);
});

Deno.test("ImageFiles combines layers with and without a table", async () => {
  const top = stargzLayer([
    { file: ".wh.gone", content: new Uint8Array() },
    { file: "etc/config", content: LARGE },
  ]);
  await using scene = await makeScene([tar(file("gone", "x"), file("kept", "y")), top]);

  assertEquals(await scene.files.find("gone"), undefined);
  assertEquals(await scene.files.readText("kept"), "y");
  assertEquals(await bytesOf(scene.files, "etc/config"), LARGE);
});

Deno.test("ImageFiles reads whole layers if `partial` is false", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);

  assertEquals(await bytesOf(scene.whole, "etc/config"), CONFIG);

  assert(scene.bytes() > 1000 * KIB, `${scene.bytes()} bytes`);
});

Deno.test("ImageFiles.tree() has the offsets of contents in the layers themselves", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)]);
  await scene.files.find("etc/config");

  const tree = await scene.files.tree();

  assertEquals(tree.placeOf("usr/large"), (await scene.whole.tree()).placeOf("usr/large"));
  assertEquals(await bytesOf(scene.files, "usr/large"), LARGE);
});

Deno.test("ImageFiles reads the whole layer from a server without ranges", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)], [on("blob", ignoreRange())]);

  assertEquals(await bytesOf(scene.files, "etc/config"), CONFIG);

  assertEquals(scene.partial, []);
  assertEquals(await scene.isStored(), true);
});

/** Changes the entry of one file. */
function changing(name: string, change: (entry: TableFields) => TableFields): ChunkedLayerOptions {
  return {
    change: (entries) => entries.map((entry) => entry.name === name ? change(entry) : entry),
  };
}

const LARGE_DIGEST = { tableDigest: `sha256:${"0".repeat(64)}` as const };

Deno.test.each([
  { what: "has another digest", options: LARGE_DIGEST },
  {
    what: "lacks the digest of a file",
    options: changing("etc/config", ({ digest: _, chunkDigest: __, ...rest }) => rest),
  },
  {
    what: "has an offset beyond the contents",
    options: changing("etc/config", (entry) => ({ ...entry, offset: 1e9 })),
  },
  {
    what: "has a negative offset",
    options: changing("etc/config", (entry) => ({ ...entry, offset: -1 })),
  },
  {
    what: "has a gap between chunks",
    options: changing("usr/large", (entry) => ({ ...entry, chunkOffset: 1 })),
  },
  {
    what: "has chunks that do not cover a file",
    options: changing("usr/large", (entry) => ({ ...entry, chunkSize: 10 })),
  },
  {
    what: "has a chunk that would fill the memory",
    options: changing("usr/large", (entry) => ({ ...entry, size: 2 ** 40 })),
  },
  {
    what: "has an unknown type",
    options: changing("etc/config", (entry) => ({ ...entry, type: "door" })),
  },
  {
    what: "has a type that every object inherits",
    options: changing("etc/config", (entry) => ({ ...entry, type: "constructor" })),
  },
  {
    what: "has a name with a replaced byte",
    options: changing("etc/config", (entry) => ({ ...entry, name: "etc/c\ufffd" })),
  },
  {
    what: "has an attribute whose name no archive can contain",
    options: changing("etc/config", (entry) => ({ ...entry, xattrs: { "user.a=b": "eA==" } })),
  },
  {
    what: "has a chunk without a file",
    options: { change: () => [{ name: "x", type: "chunk", offset: 0 }] },
  },
  { what: "has no entries", options: { change: () => ({ length: 1 }) as TableFields[] } },
])("ImageFiles reads the whole layer if its table $what", async ({ options }) => {
  await using scene = await makeScene([stargzLayer(ENTRIES, options)]);

  assertEquals(await bytesOf(scene.files, "etc/config"), CONFIG);

  assertEquals(scene.partial, []);
  assertMatch(scene.warnings.join(), /its table of contents cannot be used: [a-z"]/);
});

Deno.test.each([
  {
    what: "bytes that do not match their digest",
    change: (entry: TableFields) => ({ ...entry, chunkDigest: `sha256:${"0".repeat(64)}` }),
  },
  {
    what: "the offset of another file",
    change: (entry: TableFields) => ({ ...entry, offset: 0 }),
  },
  {
    what: "an offset within compressed bytes",
    change: (entry: TableFields) => ({ ...entry, offset: Number(entry.offset) + 7 }),
  },
])("ImageFiles.read() rejects a file with $what", async ({ change }) => {
  await using scene = await makeScene([stargzLayer(ENTRIES, changing("etc/config", change))]);

  await assertRejects(() => bytesOf(scene.files, "etc/config"), DigestMismatchError);
});

Deno.test('ImageFiles keeps names with ".." in a table inside the image', async () => {
  const layer = stargzLayer(
    ENTRIES,
    changing("etc/config", (entry) => ({ ...entry, name: "../../etc/config" })),
  );
  await using scene = await makeScene([layer]);

  assertEquals(await bytesOf(scene.files, "etc/config"), CONFIG);
});

Deno.test("ImageFiles names the entry of a table that cannot be extracted, not a byte", async () => {
  const entries: readonly ChunkedEntry[] = [
    ...ENTRIES,
    { hardlink: "broken", target: "missing", bytes: hardlink("broken", "missing") },
  ];
  await using scene = await makeScene([stargzLayer(entries)]);

  const error = await assertRejects(() => scene.files.read("etc/config"), ExtractError);

  assertEquals([error.path, error.offset, error.offsetUnit], ["broken", ENTRIES.length, "entry"]);
  const place = `"broken" at entries[${ENTRIES.length}] of the table of contents of layer sha256:`;
  assert(error.message.includes(place), error.message);
});

Deno.test("ImageFiles skips a file of a table without a name", async () => {
  const layer = stargzLayer(ENTRIES, changing("etc/config", ({ name: _, ...entry }) => entry));
  await using scene = await makeScene([layer]);

  assertEquals(await bytesOf(scene.files, "usr/large"), LARGE);
  assertEquals(await scene.files.read("etc/config"), undefined);
});

Deno.test("ExtractError names an entry of a table without a path by its number", () => {
  const place = { layer: "sha256:1", path: "", offset: 1, offsetUnit: "entry" } as const;

  const { message } = new ExtractError(place, "its name is too long");

  assertStringIncludes(message, "extract entries[1] of the table of contents of layer sha256:1");
});

Deno.test("ImageFiles reads the whole layer if limits apply to its archive", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)], [], { maxEntries: 3 });

  await assertRejects(() => bytesOf(scene.files, "etc/config"), LimitError, "entries");

  assertEquals([scene.partial, await scene.isStored()], [[], true]);
});

Deno.test("ImageFiles limits the bytes of a file that it fetches alone", async () => {
  await using scene = await makeScene([stargzLayer(ENTRIES)], [], { maxBytes: 100 * KIB });

  assertEquals(await bytesOf(scene.files, "etc/config"), CONFIG);
  await assertRejects(() => bytesOf(scene.files, "usr/large"), LimitError, "decompressed bytes");
});
