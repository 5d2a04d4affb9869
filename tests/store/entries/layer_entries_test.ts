import { assert, assertEquals, assertRejects } from "@std/assert";
import type { TarHeader } from "../../../layer/tar/tar_header.ts";
import { DigestMismatchError, digestOf } from "../../../spec/mod.ts";
import { arrangeRows } from "../../../store/entries/_arrange_rows.ts";
import { type ContentStore, exportImage, ImageFiles, unpackImage } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import {
  concat,
  device,
  dir,
  file,
  gzip,
  hardlink,
  mixture,
  noise,
  opaque,
  sparse,
  symlink,
  tar,
  whiteout,
  zstd,
} from "../../_support/tar.ts";
import { describeTree, readTree } from "../../_support/tree.ts";
import { NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import { LINKED_STACKS } from "../files/_linked_stacks.ts";
import { type FakeLayer, fakeLayers, imageOf, makeUnpackBox } from "../unpacking/_unpack_box.ts";
import { countReads, entryNames, listed } from "./_listing.ts";

async function readAll(store: ContentStore, layers: readonly FakeLayer[]) {
  const files = new ImageFiles(store, imageOf(layers));
  const contents: Record<string, Uint8Array> = {};
  for await (const { path, status } of new ImageFiles(store, imageOf(layers)).list()) {
    if (status.type !== "file") continue;
    contents[path] = await new Response(await files.read(path)).bytes();
  }
  return contents;
}

const STACKS = [
  ...NAMED_STACKS,
  ...LINKED_STACKS,
  ...Array.from({ length: 12 }, (_, seed) => randomStack(seed)),
  {
    name: "all kinds of entries",
    layers: [
      tar(
        dir("", { mode: 0o711, uid: 9 }),
        dir("a", { mode: 0o2750, xattrs: { "user.a": "1", "security.selinux": "x" } }),
        file("a/f", "content", { mode: 0o4755, uid: 3_000_000_000, mtime: "1600000000.5" }),
        hardlink("a/g", "a/f"),
        hardlink("h", "./a/../a/f"),
        symlink("l", "a/f"),
        device("null", "character", 1, 3),
        file(new Uint8Array([0x66, 0xff]), "a name that is no text"),
        file("ünï/ cødé", "x", { xattrs: { "user.b": new Uint8Array([0, 255]) } }),
        sparse("holes", 100_000, [{ offset: 50_000, data: "abc" }], "pax-1.0"),
        dir("a", { mode: 0o700 }),
        file("a-b", "sorts after what is in a"),
      ),
      tar(dir("a"), whiteout("a/g"), opaque("ünï")),
    ],
  },
  {
    name: "names that decode to as many code units as bytes",
    layers: [tar(file(new Uint8Array([0x61, 0x80]), ""), file(new Uint8Array([0x61, 0xff]), ""))],
  },
];

Deno.test.each(STACKS)("ImageFiles lists the same from indexes: $name", async ({ layers }) => {
  await using box = await makeUnpackBox();
  const image = fakeLayers(layers);

  const first = await listed(box.store, image);
  const counter = countReads(box.store);
  const second = await listed(box.store, image);

  assertEquals(second, first);
  assertEquals(counter.reads, 0);
});

/** A layer with several seek points, and files of all sizes between them. */
function largeEntries(): readonly Uint8Array<ArrayBuffer>[] {
  const parts = Array.from({ length: 9 }, (_, i) => [
    file(`small-${i}`, mixture(700, i + 50)),
    file(`large-${i}`, mixture(1_700_000, i + 1)),
    file(`empty-${i}`, ""),
  ]);
  return [...parts.flat(), sparse("holes", 80_000, [{ offset: 9000, data: "abc" }], "gnu")];
}

const ENTRIES = largeEntries();

const LARGE = tar(...ENTRIES);
const END = LARGE.subarray(concat(...ENTRIES).length);

Deno.test.each([
  { name: "gzip", blob: gzip(LARGE) },
  { name: "two members", blob: gzip(LARGE.subarray(0, 9_000_000), LARGE.subarray(9_000_000)) },
  {
    name: "a member for each entry",
    blob: concat(...ENTRIES.map((entry) => gzip(entry)), gzip(END)),
  },
  { name: "zstd", blob: zstd(LARGE) },
  { name: "padded gzip", blob: concat(gzip(LARGE), new Uint8Array(1000)) },
  { name: "no compression", blob: LARGE },
])("ImageFiles reads the same files through an index: $name", async ({ blob }) => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: LARGE, blob }]);
  const expected = await readAll(box.store, layers);

  const actual = await readAll(box.store, layers);

  assertEquals(Object.keys(actual).length, 28);
  for (const [path, bytes] of Object.entries(expected)) {
    assertEquals(actual[path]?.length, bytes.length, path);
    assert(bytes.every((byte, i) => actual[path]?.[i] === byte), path);
  }
});

Deno.test("ImageFiles writes an index and seek points, and nothing else", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: LARGE, blob: gzip(LARGE) }]);

  await listed(box.store, layers);

  const hex = layers[0]?.descriptor.digest.slice("sha256:".length);
  assertEquals(await entryNames(box), [`sha256-${hex}`, `sha256-${hex}.seek`]);
});

const SMALL = tar(dir("a"), file("a/f", "content"), symlink("a/l", "f"));

/** Large enough for threads, and for seek points. */
const THREADED = tar(
  ...Array.from({ length: 5 }, (_, i) => file(`noise-${i}`, noise(1_200_000, i + 1))),
  file("f", mixture(9_000_000)),
  file("last", "last"),
);

Deno.test.each([
  { name: "a small image", layers: [SMALL, tar(whiteout("a/f"), file("a/g", "new"))] },
  { name: "an image that threads extract", layers: [THREADED, SMALL] },
])("unpackImage() records the indexes of $name", async ({ layers: archives }) => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers(archives.map((tar) => ({ tar, compression: "gzip" as const })));
  const other = await makeUnpackBox();
  await using _other = other;
  // The second reader sorts the entries that the first one has recorded.
  await listed(other.store, layers);
  const expected = await listed(other.store, layers);

  await unpackImage(box.store, imageOf(layers), box.root, { ownership: "squash" });
  const counter = countReads(box.store);
  const actual = await listed(box.store, layers);

  assertEquals(actual, expected);
  assertEquals(counter.reads, 0);
  assertEquals(await entryNames(box), await entryNames(other));
  // The positions of seek points depend on the sizes of buffers.
  for (const name of (await entryNames(other)).filter((name) => !name.endsWith(".seek"))) {
    const [one, two] = [box, other].map(({ temp }) => temp.join("store/entries", name));
    assertEquals(await Deno.readFile(one ?? ""), await Deno.readFile(two ?? ""), name);
  }
});

Deno.test("unpackImage() records no index of a layer with a wrong DiffID", async () => {
  await using box = await makeUnpackBox();
  const wrong = { tar: THREADED, compression: "gzip", diffId: `sha256:${"0".repeat(64)}` } as const;
  const image = imageOf(fakeLayers([wrong]));

  await assertRejects(() => unpackImage(box.store, image, box.root, { ownership: "squash" }));

  assertEquals((await entryNames(box)).filter((name) => !name.endsWith(".seek")), []);
});

const PATHS = ["small-8", "large-3", "empty-0", "dir", "link"];

const WITH_PATHS = tar(
  dir("dir"),
  file("dir/a", "a"),
  hardlink("dir/b", "dir/a"),
  symlink("link", "small-0"),
  ...ENTRIES,
);

Deno.test.each([
  { name: "gzip", blob: gzip(WITH_PATHS) },
  {
    name: "two members",
    blob: gzip(WITH_PATHS.subarray(0, 13_000_000), WITH_PATHS.subarray(13_000_000)),
  },
  { name: "no compression", blob: WITH_PATHS },
])("unpackImage() unpacks the same paths with an index: $name", async ({ blob }) => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: WITH_PATHS, blob }, tar(file("small-8", "new"), dir("dir"))]);
  const unpack = async (name: string) => {
    const directory = box.temp.join(name);
    const { entries, bytes, skipped } = await unpackImage(box.store, imageOf(layers), directory, {
      ownership: "squash",
      paths: PATHS,
    });
    return { entries, bytes, skipped, tree: describeTree(readTree(directory)) };
  };

  const first = await unpack("first");
  const counter = countReads(box.store);
  const second = await unpack("second");

  assertEquals(second, first);
  assertEquals(["dir/b", "link", "small-8"].filter((path) => !(path in second.tree)), []);
  assertEquals(counter.reads, 0);
});

Deno.test("exportImage() writes the same archive with an index", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: WITH_PATHS, compression: "gzip" }, tar(whiteout("small-1"))]);
  const sum = async () => {
    return digestOf(await new Response(exportImage(box.store, imageOf(layers))).bytes());
  };

  const first = await sum();
  const counter = countReads(box.store);

  assertEquals(await sum(), first);
  assertEquals(counter.reads, 0);
});

Deno.test("ImageFiles uses no index to read a blob that has changed", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers([{ tar: LARGE, blob: gzip(LARGE) }]);
  await listed(box.store, layers);
  const [layer] = layers;
  assert(layer);
  const path = box.store.blobPath(layer.descriptor.digest);
  const bytes = await Deno.readFile(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);
  const broken = layers.map((layer) => ({
    ...layer,
    compressed: () => Promise.resolve(new Blob([bytes]).stream()),
  }));

  const files = new ImageFiles(box.store, imageOf(broken));
  await assertRejects(() => files.readText("small-5"), DigestMismatchError);
  const again = new ImageFiles(box.store, imageOf(layers));
  const content = await new Response(await again.read("small-5")).bytes();

  assertEquals(content, mixture(700, 55));
});

Deno.test("arrangeRows() limits the directories without entries", () => {
  const entries = Array.from({ length: 20 }, (_, number) => ({
    number,
    path: `${String(number).padStart(2, "0")}/${"a/".repeat(2000)}f`,
    kind: "none" as const,
    header: { type: "file", linkname: "", offset: number * 512 } as TarHeader,
  }));

  assertEquals(arrangeRows(entries.slice(0, 4))?.rows.length, 4 * 2002);
  assertEquals(arrangeRows(entries), undefined);
});
