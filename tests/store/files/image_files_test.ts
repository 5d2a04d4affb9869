import { assert, assertEquals, assertRejects } from "@std/assert";
import { applyLayers, type FileStatus, OwnershipError, UntarStream } from "../../../layer/mod.ts";
import { type BlobReadOptions, LimitError, type RemoteImage } from "../../../spec/mod.ts";
import { exportImage, type ImageFile, ImageFiles, unpackImage } from "../../../store/mod.ts";
import { fromLayers } from "../../_support/layer_source.ts";
import "../../_support/native_backend.ts";
import { rootTest } from "../../_support/skip.ts";
import {
  dir,
  file,
  hardlink,
  noise,
  opaque,
  sparse,
  symlink,
  tar,
  whiteout,
} from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { describeTree, readTree, type TreeEntryState } from "../../_support/tree.ts";
import { NAMED_STACKS, randomStack } from "../_layer_stacks.ts";
import { type FakeLayer, fakeLayers, makeUnpackBox } from "../unpacking/_unpack_box.ts";

function imageOf(layers: readonly FakeLayer[]): RemoteImage {
  return { layers } as unknown as RemoteImage;
}

/** The part of a status that is the same in every file system. */
function comparable(status: FileStatus | TreeEntryState, target: string, device: string): unknown {
  const { type, mode, uid, gid, mtime } = status;
  const time = typeof mtime === "number"
    ? `${mtime}.${String((status as FileStatus).mtimeNs).padStart(9, "0")}`
    : mtime;
  const isDirectory = type === "directory";
  const size = type === "file" ? status.size : 0;
  return {
    type,
    mode,
    uid,
    gid,
    size,
    time,
    nlink: isDirectory ? 1 : status.nlink,
    target,
    device,
  };
}

function ofFile({ status, target }: ImageFile): unknown {
  const isDevice = status.type === "character-device" || status.type === "block-device";
  return comparable(status, target, isDevice ? `${status.devmajor}:${status.devminor}` : "");
}

const STACKS = [...NAMED_STACKS, ...Array.from({ length: 30 }, (_, seed) => randomStack(seed))];

for (const { name, layers } of STACKS) {
  rootTest({
    name: `ImageFiles shows what would be unpacked: ${name}`,
    fn: async () => {
      await using box = await makeUnpackBox();
      await applyLayers(fromLayers(layers), box.root);
      const unpacked = [...readTree(box.root)].filter(([path]) => path !== ".");
      const files = new ImageFiles(box.store, imageOf(fakeLayers(layers)));

      const listed = await Array.fromAsync(files.list());

      assertEquals(
        Object.fromEntries(listed.map((file) => [file.path, ofFile(file)])),
        Object.fromEntries(unpacked.map(([path, state]) => {
          return [path, comparable(state, state.target, state.device)];
        })),
      );
    },
  });

  rootTest({
    name: `ImageFiles finds the same files layer by layer as in all layers together: ${name}`,
    fn: async () => {
      await using box = await makeUnpackBox();
      const image = imageOf(fakeLayers(layers));
      const listed = await Array.fromAsync(new ImageFiles(box.store, image).list());
      const paths = new Set(listed.map(({ path }) => path));
      const others = ["etc/shadow", "usr/lib/a.so", "a/x", "a/b/x", "a/b/c/z", "x/y"]
        .filter((path) => !paths.has(path));

      const found = await Promise.all(listed.map(({ path }) => {
        return new ImageFiles(box.store, image).find(path, false);
      }));
      const notListed = await Promise.all(others.map((path) => {
        return new ImageFiles(box.store, image).find(path, false);
      }));

      const brief = (file: ImageFile | undefined) => [
        file?.path,
        file?.status.type,
        file?.status.mode,
        file?.status.type === "file" ? file.status.size : 0,
      ];
      assertEquals(found.map(brief), listed.map(brief));
      // A path that is not listed may lead through a link to a listed one.
      assertEquals(notListed.filter((file) => file && !paths.has(file.path)), []);
    },
  });

  rootTest({
    name: `exportImage() writes what would be unpacked: ${name}`,
    fn: async () => {
      await using box = await makeUnpackBox();
      await applyLayers(fromLayers(layers), box.root);
      const stream = exportImage(box.store, imageOf(fakeLayers(layers)));

      const archive = await new Response(stream).bytes();

      const again = box.temp.join("again");
      await applyLayers(fromLayers([archive]), again);
      assertEquals(describeTree(readTree(again)), describeTree(readTree(box.root)));
    },
  });
}

Deno.test.each([{ uid: 4_294_967_295 }, { gid: 4_294_967_295 }, { uid: 8_589_934_592 }])(
  "exportImage() rejects the owner $uid:$gid, which unpackImage() rejects",
  async (owner) => {
    await using box = await makeUnpackBox();
    const layers = fakeLayers([tar(dir("d"), file("d/f", "x", owner))]);

    const stream = exportImage(box.store, imageOf(layers));

    const error = await assertRejects(() => new Response(stream).bytes(), OwnershipError);
    assertEquals([error.path, error.layer], ["d/f", layers[0]?.descriptor.digest]);
    const files = new ImageFiles(box.store, imageOf(layers));
    assertEquals((await files.find("d/f"))?.status.size, 1);
  },
);

rootTest({
  name:
    "exportImage() accepts an invalid owner of a hard link or a whiteout, as unpackImage() does",
  fn: async () => {
    await using box = await makeUnpackBox();
    const uid = 4_294_967_295;
    const base = tar(file("a", "x"), file("gone", ""), hardlink("b", "a", { uid }));
    const image = imageOf(fakeLayers([base, tar(whiteout("gone", { uid }))]));

    await unpackImage(box.store, image, box.root);
    const archive = await new Response(exportImage(box.store, image)).bytes();

    const again = box.temp.join("again");
    await applyLayers(fromLayers([archive]), again);
    assertEquals(describeTree(readTree(again)), describeTree(readTree(box.root)));
  },
});

// Layers that do not describe the directories of their entries or whiteouts.
Deno.test.each([
  { layers: [tar(file("x", "old")), tar(file("x/y", "new"))], path: "x", type: "directory" },
  { layers: [tar(dir("a"), file("a/c", "1")), tar(opaque("a"))], path: "a/c", type: undefined },
  { layers: [tar(dir("a"), file("a/c", "1")), tar(whiteout("a/c"))], path: "a/c", type: undefined },
  {
    layers: [tar(dir("a"), dir("a/b"), file("a/b/c", "1")), tar(opaque("a"))],
    path: "a/b/c",
    type: undefined,
  },
  {
    layers: [tar(dir("u"), file("u/f", "1"), symlink("l", "u")), tar(whiteout("l/f"))],
    path: "u/f",
    type: undefined,
  },
  {
    layers: [tar(dir("u"), file("u/f", "1"), symlink("l", "u")), tar(symlink("l/f", "new"))],
    path: "u/f",
    type: "symlink",
  },
  {
    layers: [tar(dir("u"), dir("u/v"), file("u/f", "1"), symlink("l", "u/v"), dir("f"))],
    path: "l/../f",
    type: "file",
  },
])("ImageFiles.find() finds $type at $path", async ({ layers, path, type }) => {
  await using box = await makeUnpackBox();
  const files = new ImageFiles(box.store, imageOf(fakeLayers(layers)));

  assertEquals((await files.find(path, false))?.status.type, type);
});

Deno.test("ImageFiles tries again after a layer could not be downloaded", async () => {
  await using box = await makeUnpackBox();
  let failures = 3;
  const layers = fakeLayers([tar(file("a", "x")), tar(file("b", "y"))]).map((layer) => ({
    ...layer,
    compressed: (options: BlobReadOptions) => {
      if (failures-- > 0) return Promise.reject(new TypeError("no network"));
      return layer.compressed(options);
    },
  }));
  const files = new ImageFiles(box.store, { layers } as unknown as RemoteImage);

  await assertRejects(() => files.readText("a"), TypeError, "no network");
  await assertRejects(() => files.tree(), TypeError, "no network");
  await assertRejects(() => Array.fromAsync(files.list()), TypeError, "no network");

  assertEquals(await files.readText("a"), "x");
  assertEquals([...(await files.tree()).contents()].map(({ path }) => path), ["a", "b"]);
  assertEquals((await Array.fromAsync(files.list())).map(({ path }) => path), ["a", "b"]);
});

Deno.test("ImageFiles reads files of any layer, with their holes", async () => {
  await using box = await makeUnpackBox();
  const content = noise(300_000);
  const layers = fakeLayers([
    tar(dir("d"), file("d/noise", content), hardlink("d/same", "d/noise"), file("empty")),
    tar(sparse("holes", 200_000, [{ offset: 100_000, data: "abc" }], "pax-1.0")),
    tar(symlink("link", "/d/../holes")),
  ]);
  const files = new ImageFiles(box.store, imageOf(layers));
  const read = async (path: string) => {
    return await new Response(await files.read(path) ?? "nothing").bytes();
  };
  const holes = new Uint8Array(200_000);
  holes.set(new TextEncoder().encode("abc"), 100_000);

  assertEquals(await read("d/noise"), content);
  assertEquals(await read("d/same"), content);
  assertEquals(await read("empty"), new Uint8Array());
  assertEquals(await read("link"), holes);
  assertEquals(await files.read("nowhere"), undefined);
  await assertRejects(() => files.read("d"), Deno.errors.IsADirectory);
});

Deno.test("exportImage() keeps the holes of a file, and its attributes", async () => {
  await using box = await makeUnpackBox();
  await using temp = await makeTempDir();
  const large = 5_000_000_000;
  const layers = fakeLayers([
    tar(
      sparse("holes", large, [{ offset: 1_000_000, data: "abc" }], "gnu", { mtime: 5 }),
      file("f", "x", { xattrs: { "user.a": "b" } }),
    ),
  ]);

  const archive = await new Response(exportImage(box.store, imageOf(layers))).bytes();

  assert(archive.length < 20_000, `it has ${archive.length} bytes`);
  const report = await applyLayers(fromLayers([archive]), temp.join("root"));
  const tree = readTree(temp.join("root"));
  assertEquals([tree.get("holes")?.size, tree.get("holes")?.mtime], [large, "5.000000000"]);
  assertEquals(report.bytes, large + 1);
});

Deno.test("exportImage() and list() handle the deepest paths", async () => {
  await using box = await makeUnpackBox();
  const paths = Array.from({ length: 2000 }, (_, i) => "a/".repeat(i + 1));
  const image = imageOf(fakeLayers([tar(...paths.map((path) => dir(path)), file("a/z", "z"))]));

  const listed = await Array.fromAsync(new ImageFiles(box.store, image).list(), ({ path }) => path);
  const exported = await Array.fromAsync(
    exportImage(box.store, image).pipeThrough(new UntarStream()),
    async ({ header, readable }) => {
      await readable?.cancel();
      return header.path;
    },
  );

  assertEquals(listed, [...paths.map((path) => path.slice(0, -1)), "a/z"]);
  assertEquals(exported, ["a/", "a/z", ...paths.slice(1)]);
});

Deno.test("exportImage() repeats only the directories that it adds entries to", async () => {
  await using box = await makeUnpackBox();
  const one = "a/".repeat(500);
  const other = "b/".repeat(500);
  const files = Array.from({ length: 100 }, (_, i) => file(`${i % 2 === 0 ? one : other}${i}`, ""));

  const exported = await Array.fromAsync(
    exportImage(box.store, imageOf(fakeLayers([tar(...files)]))).pipeThrough(new UntarStream()),
    async ({ header, readable }) => {
      await readable?.cancel();
      return header.path;
    },
  );

  // Each directory once, each file, the directory before each but two files, and both at the end.
  assertEquals(exported.length, 1000 + 100 + 98 + 2);
  assertEquals(new Set(exported).size, 1100);
});

Deno.test.each([
  { root: dir("", { mode: 0o700, mtime: 0 }), names: ["./", "a"] },
  { root: file("b", "y"), names: ["a", "b"] },
])("exportImage() writes the root that a layer describes: $names", async ({ root, names }) => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(file("a", "x"), root)]));

  const entries = await Array.fromAsync(
    exportImage(box.store, image).pipeThrough(new UntarStream()),
    async ({ header, readable }) => {
      await readable?.cancel();
      return header.path;
    },
  );

  assertEquals(entries, [...names]);
});

Deno.test("exportImage() writes the same bytes each time", async () => {
  await using box = await makeUnpackBox();
  const layers = fakeLayers(randomStack(7).layers);
  const bytes = () => new Response(exportImage(box.store, imageOf(layers))).bytes();

  assertEquals(await bytes(), await bytes());
});

Deno.test("ImageFiles limits the bytes of all layers together", async () => {
  await using box = await makeUnpackBox();
  const large = (name: string, seed: number) =>
    tar(dir("."), file(name, noise(1_000_000, seed)), file("last", ""));
  const image = imageOf(fakeLayers([large("a", 1), large("b", 2)]));
  const options = { maxBytes: 1_500_000 };
  const names = async (files: ImageFiles) => (await Array.fromAsync(files.list())).length;

  await assertRejects(() => names(new ImageFiles(box.store, image, options)), LimitError);
  assertEquals(await names(new ImageFiles(box.store, image)), 3);
  // By now, no layer needs to be decompressed for a list.
  assertEquals(await names(new ImageFiles(box.store, image, options)), 3);
  await assertRejects(
    () => new Response(exportImage(box.store, image, options)).bytes(),
    LimitError,
  );
});

Deno.test("ImageFiles applies limits to layers that the store has an index of", async () => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(dir("etc"), file("etc/a", "a"), file("etc/b", "b"))]));
  const open = (maxEntries?: number) => new ImageFiles(box.store, image, { maxEntries });
  assertEquals(await open().readText("etc/a"), "a");

  await assertRejects(() => open(2).readText("etc/a"), LimitError, "entries");
  await assertRejects(() => Array.fromAsync(open(2).list()), LimitError, "entries");
  await assertRejects(() => open(2).tree(), LimitError, "entries");
  assertEquals(await open(3).readText("etc/a"), "a");
});

Deno.test("ImageFiles lists and reads deep paths that layers do not describe", async () => {
  await using box = await makeUnpackBox();
  const path = `${Array(500).fill("d").join("/")}/f`;
  // Each layer depends on the one below, and neither describes the directories.
  const layers = fakeLayers([
    tar(file(path, "base")),
    tar(file(`${path}2`, "upper")),
  ]);
  // The first reading leaves the indexes.
  await Array.fromAsync(new ImageFiles(box.store, imageOf(layers)).list());

  const files = new ImageFiles(box.store, imageOf(layers));
  const paths = await Array.fromAsync(files.list(), (entry) => entry.path);

  assertEquals(paths.length, 502);
  assertEquals(paths.slice(-2), [path, `${path}2`]);
  assertEquals(await files.readText(path), "base");
});

Deno.test("ImageFiles counts the names of very many hard links without a hang", async () => {
  const links = Array.from({ length: 4000 }, (_, i) => hardlink(`many${i}`, "file"));
  const pairs = Array.from({ length: 4000 }, (_, i) => {
    return tar(file(`a${i}`), hardlink(`b${i}`, `a${i}`)).subarray(0, 1024);
  });
  // The second archive replaces an entry, so that its index does not serve for listing.
  for (const replaced of [[], [file("again"), file("again")]]) {
    await using box = await makeUnpackBox();
    const base = tar(...replaced, file("file"), ...links, ...pairs);
    const layers = fakeLayers([base, tar(whiteout("many0"), whiteout("b0"))]);

    // The second listing reads the indexes that the first one has left.
    for (let count = 0; count < 2; count++) {
      const files = new ImageFiles(box.store, imageOf(layers));
      const counts = new Map<string, number>();
      for await (const { path, status } of files.list()) counts.set(path, status.nlink);

      assertEquals(counts.get("many3999"), 4000);
      assertEquals(counts.get("a0"), 1);
      assertEquals(counts.get("b3999"), 2);
    }
  }
});

Deno.test("ImageFiles.read() limits the holes of a file", async () => {
  await using box = await makeUnpackBox();
  const size = 2 ** 53 - 1;
  const layers = fakeLayers([tar(sparse("f", size, [{ offset: 0, data: "a" }], "pax-1.0"))]);

  const read = () => new ImageFiles(box.store, imageOf(layers)).read("f");
  const error = await assertRejects(read, LimitError, '"maxBytes"');
  const content = await new ImageFiles(box.store, imageOf(layers), { maxBytes: 0 }).read("f");

  assertEquals(error.value, size);
  await content?.cancel();
});
