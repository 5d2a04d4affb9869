import { assert, assertEquals, assertRejects } from "@std/assert";
import { isExplained } from "../../../spec/error_facts.ts";
import { present } from "../../../spec/json.ts";
import {
  DigestMismatchError,
  type Manifest,
  OCI_EMPTY,
  OCI_MANIFEST,
  OciError,
  parseManifest,
} from "../../../spec/mod.ts";
import {
  ArtifactContent,
  ArtifactFileError,
  ContentStore,
  copyGraph,
  LayoutContent,
  writeArtifact,
} from "../../../store/mod.ts";
import { toUint8Array } from "../../_support/bytes.ts";
import { blobOf, type BuiltBlob } from "../../_support/image.ts";
import { mountTest } from "../../_support/mounting.ts";
import { run } from "../../_support/process.ts";
import { makeTempDir, namesIn, type TempDir } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";

const TITLE_ANNOTATION = "org.opencontainers.image.title";

async function bytesOf(content: ArtifactContent): Promise<Uint8Array<ArrayBuffer>> {
  return await new Response(await content.fetch(content.root)).bytes();
}

/** A manifest with a layer for each name, and a store that has them. */
async function artifactOf(
  dir: TempDir,
  ...files: readonly (readonly [title: string | undefined, content: string, packed?: true])[]
): Promise<{ readonly store: ContentStore; readonly manifest: Manifest }> {
  const store = await ContentStore.open(dir.join("store"));
  const layers = files.map(([title, content, packed]): BuiltBlob => {
    const { bytes, descriptor } = blobOf("text/plain", toUint8Array(content));
    const annotations = {
      ...present({
        [TITLE_ANNOTATION]: title,
        "io.deis.oras.content.unpack": packed && "true",
      }),
    };
    return { bytes, descriptor: { ...descriptor, annotations } };
  });
  for (const { descriptor, bytes } of layers) await store.putBytes(descriptor, bytes);
  const config = blobOf(OCI_EMPTY, toUint8Array("{}")).descriptor;
  const manifest = {
    schemaVersion: 2 as const,
    mediaType: OCI_MANIFEST,
    config,
    layers: layers.map(({ descriptor }) => descriptor),
  };
  return { store, manifest };
}

Deno.test("ArtifactContent.pack() creates the manifest of the specification's guidelines", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("a.json"), "{}");
  await Deno.writeTextFile(dir.join("b"), "b");
  const subject = blobOf(OCI_MANIFEST, toUint8Array("subject")).descriptor;
  const options = { artifactType: "application/x-thing", annotations: { k: "v" }, subject };
  const files = [{ path: dir.join("a.json"), mediaType: "text/json" }, { path: dir.join("b") }];

  const content = await ArtifactContent.pack(files, options);
  const again = await ArtifactContent.pack(files, options);
  const empty = await ArtifactContent.pack([]);

  assertEquals(again.root, content.root);
  const { kind, value } = parseManifest(await bytesOf(content), OCI_MANIFEST);
  assert(kind === "manifest");
  assertEquals(value.artifactType, "application/x-thing");
  assertEquals(value.config.mediaType, OCI_EMPTY);
  assertEquals(value.subject?.digest, subject.digest);
  assertEquals(value.annotations, { k: "v" });
  assertEquals(
    value.layers.map(({ mediaType, size, annotations }) => [mediaType, size, annotations]),
    [["text/json", 2, { [TITLE_ANNOTATION]: "a.json" }], [
      "application/vnd.oci.image.layer.v1.tar",
      1,
      { [TITLE_ANNOTATION]: "b" },
    ]],
  );
  const nothing = parseManifest(await bytesOf(empty), OCI_MANIFEST);
  assert(nothing.kind === "manifest");
  assertEquals(nothing.value.layers.map(({ mediaType }) => mediaType), [OCI_EMPTY]);
  assertEquals(nothing.value.artifactType, "application/vnd.unknown.artifact.v1");
});

Deno.test.each([
  "",
  "thing",
  "application/",
  "/thing",
  "a/b/c",
  "application/x thing",
  "-a/b",
  "a/.b",
  "a/b%c",
  "a/b\r\nc",
  `${"a".repeat(128)}/b`,
])("ArtifactContent.pack() refuses the media type %j", async (type) => {
  await using dir = await makeTempDir();
  const path = dir.join("a");
  await Deno.writeTextFile(path, "a");

  for (
    const pack of [
      () => ArtifactContent.pack([{ path }], { artifactType: type }),
      () => ArtifactContent.pack([{ path, mediaType: type }]),
    ]
  ) {
    const error = await assertRejects(pack, SyntaxError);
    assertEquals(isExplained(error) && error.code, "invalid-text");
  }
});

Deno.test.each(["text/plain", "text/plain; charset=utf-8", "application/X.foo^bar!#$&_+json"])(
  "ArtifactContent.pack() accepts the media type %j",
  async (type) => {
    const content = await ArtifactContent.pack([], { artifactType: type });

    assertEquals(content.root.artifactType, type);
  },
);

Deno.test("ArtifactContent.fetch() fails if a file has changed, unless the read is raw", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("a"), "before");
  const content = await ArtifactContent.pack([{ path: dir.join("a") }]);
  const { value } = parseManifest(await bytesOf(content), OCI_MANIFEST);
  const [layer] = (value as Manifest).layers;
  assert(layer !== undefined);

  await Deno.writeTextFile(dir.join("a"), "behind");

  const read = async (raw?: boolean) =>
    await new Response(await content.fetch(layer, { raw })).text();
  await assertRejects(() => read(), DigestMismatchError);
  assertEquals(await read(true), "behind");
});

Deno.test("ArtifactContent.pack() rejects directories, and two files with one name", async () => {
  await using dir = await makeTempDir();
  await Deno.mkdir(dir.join("sub"));
  await Deno.writeTextFile(dir.join("a"), "1");
  await Deno.writeTextFile(dir.join("sub/a"), "2");

  for (const paths of [[dir.path], [dir.join("a"), dir.join("sub/a")], ["/"], [".."]]) {
    await assertRejects(
      () => ArtifactContent.pack(paths.map((path) => ({ path }))),
      ArtifactFileError,
    );
  }
});

Deno.test("writeArtifact() writes the files that ArtifactContent.pack() packed", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("a.txt"), "hello");
  const content = await ArtifactContent.pack([{ path: dir.join("a.txt") }]);
  const store = await ContentStore.open(dir.join("store"));

  await copyGraph(content, new LayoutContent(store), content.root);
  const { kind, value } = parseManifest(await bytesOf(content), OCI_MANIFEST);
  assert(kind === "manifest");
  const files = await writeArtifact(store, value, dir.join("out/deep"));

  assertEquals(files.map(({ title }) => title), ["a.txt"]);
  assertEquals(await Deno.readTextFile(dir.join("out/deep/a.txt")), "hello");
});

Deno.test("writeArtifact() writes nothing for an artifact without files, and does not warn", async () => {
  await using dir = await makeTempDir();
  const content = await ArtifactContent.pack([]);
  const store = await ContentStore.open(dir.join("store"));
  const warnings: string[] = [];

  await copyGraph(content, new LayoutContent(store), content.root);
  const { kind, value } = parseManifest(await bytesOf(content), OCI_MANIFEST);
  assert(kind === "manifest");
  const files = await writeArtifact(store, value, dir.join("out"), {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals([files, warnings], [[], []]);
});

Deno.test("writeArtifact() creates directories, replaces files, and warns about skipped layers", async () => {
  await using dir = await makeTempDir();
  const { store, manifest } = await artifactOf(
    dir,
    ["a/b/c.txt", "c"],
    ["./a/d", "d"],
    [undefined, "nameless"],
    ["packed", "archive", true],
  );
  await Deno.mkdir(dir.join("out"));
  await Deno.writeTextFile(dir.join("out/keep"), "kept");
  await Deno.mkdir(dir.join("out/a"));
  await Deno.writeTextFile(dir.join("out/a/d"), "old");
  const warnings: string[] = [];

  const files = await writeArtifact(store, manifest, dir.join("out"), {
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(files.map(({ title }) => title), ["a/b/c.txt", "a/d", "packed.tar.gz"]);
  assertEquals(await Deno.readTextFile(dir.join("out/a/b/c.txt")), "c");
  assertEquals(await Deno.readTextFile(dir.join("out/a/d")), "d");
  assertEquals(await Deno.readTextFile(dir.join("out/keep")), "kept");
  assertEquals(warnings.length, 2);
  const names = await Array.fromAsync(Deno.readDir(dir.join("out/a")), ({ name }) => name);
  assertEquals(names.sort(), ["b", "d"]);
});

Deno.test.each([
  { titles: ["../evil"] },
  { titles: ["a/../../evil"] },
  { titles: ["/evil"] },
  { titles: [".."] },
  { titles: ["."] },
  { titles: [""] },
  { titles: ["a/"] },
  { titles: ["a\0b"] },
  { titles: ["fine", "./fine"] },
  { titles: ["fine", "fine/below"] },
  { titles: ["below/fine", "below"] },
])("writeArtifact() rejects the names $titles, and writes nothing", async ({ titles }) => {
  await using dir = await makeTempDir();
  const { store, manifest } = await artifactOf(
    dir,
    ["first", "x"],
    ...titles.map((title, i) => [title, `${i}`] as const),
  );

  await assertRejects(
    () => writeArtifact(store, manifest, dir.join("out")),
    ArtifactFileError,
  );

  const names = await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name);
  assertEquals(names, ["store"]);
});

Deno.test("writeArtifact() leaves nothing behind if a file is damaged", async () => {
  await using dir = await makeTempDir();
  const { store, manifest } = await artifactOf(dir, ["a/b/one", "1"], ["c/two", "2"], [
    "three",
    "3",
  ]);
  const [, damaged] = manifest.layers;
  assert(damaged !== undefined);
  await Deno.writeTextFile(store.blobPath(damaged.digest), "x");
  await Deno.mkdir(dir.join("old/c"), { recursive: true });
  await Deno.writeTextFile(dir.join("old/three"), "old");

  for (const place of ["new/place", "old"]) {
    await assertRejects(
      () => writeArtifact(store, manifest, dir.join(place)),
      DigestMismatchError,
    );
  }

  assertEquals(await namesIn(dir.path), ["old", "store"]);
  assertEquals(await namesIn(dir.join("old")), ["c", "three"]);
  assertEquals(await namesIn(dir.join("old/c")), []);
  assertEquals(await Deno.readTextFile(dir.join("old/three")), "old");
});

Deno.test("writeArtifact() rejects a name that is longer than any path", async () => {
  await using dir = await makeTempDir();
  const { store, manifest } = await artifactOf(dir, ["a/".repeat(1_000_000) + "b", "x"]);

  const error = await assertRejects(
    () => writeArtifact(store, manifest, dir.join("out")),
    ArtifactFileError,
    "the name has more than 4095 characters",
  );
  assert(error.title.length < 100);
});

Deno.test("writeArtifact() limits the number of directories that names can require", async () => {
  await using dir = await makeTempDir();
  const deep = Array.from({ length: 40 }, (_, i) => [`${i}/${"a/".repeat(2000)}b`, "x"] as const);
  const { store, manifest } = await artifactOf(dir, ...deep);

  await assertRejects(
    () => writeArtifact(store, manifest, dir.join("out")),
    ArtifactFileError,
    "the names of the files have more than 65536 levels in all",
  );
  assertEquals(await namesIn(dir.path), ["store"]);
});

// The time for n files was proportional to n²: a minute for these.
Deno.test("writeArtifact() looks for leftovers once in each directory", async () => {
  await using dir = await makeTempDir();
  const files = Array.from({ length: 2000 }, (_, i) => [`file${i}`, "x"] as const);
  const { store, manifest } = await artifactOf(dir, ...files);

  assertEquals((await writeArtifact(store, manifest, dir.join("out"))).length, 2000);
});

Deno.test("writeArtifact() rejects names that are the same file", async () => {
  await using dir = await makeTempDir();
  // No file name can contain half of a surrogate pair.
  const { store, manifest } = await artifactOf(dir, ["\ud800", "1"], ["\ud801", "2"]);
  const error = await assertRejects(
    () => writeArtifact(store, manifest, dir.join("out")),
    ArtifactFileError,
    "the name occurs twice",
  );
  assertEquals(error.title, "\ud801");
});

Deno.test({
  name: "writeArtifact() names a file whose name the file system does not support",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await makeTempDir();
    const { store, manifest } = await artifactOf(dir, ["first", "1"], ["x".repeat(256), "2"]);
    await Deno.mkdir(dir.join("out"));

    const error = await assertRejects(() => writeArtifact(store, manifest, dir.join("out")));
    assert(isExplained(error), `${error}`);
    assertEquals(await namesIn(dir.join("out")), []);
  },
});

Deno.test({
  name: "writeArtifact() follows no link that is in the directory",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await makeTempDir();
    await Deno.mkdir(dir.join("outside"));
    await Deno.writeTextFile(dir.join("outside/file"), "untouched");
    await Deno.mkdir(dir.join("out"));
    await Deno.symlink("../outside", dir.join("out/link"));
    await Deno.symlink("../outside/file", dir.join("out/file"));
    await Deno.mkdir(dir.join("out/directory"));

    for (const title of ["link/file", "link/new", "directory"]) {
      const { store, manifest } = await artifactOf(dir, ["first", "x"], [title, "evil"]);
      await assertRejects(
        () => writeArtifact(store, manifest, dir.join("out")),
        ArtifactFileError,
      );
    }
    const { store, manifest } = await artifactOf(dir, ["file", "replaced"]);
    await writeArtifact(store, manifest, dir.join("out"));

    assertEquals(await Deno.readTextFile(dir.join("outside/file")), "untouched");
    assertEquals(await Deno.readTextFile(dir.join("out/file")), "replaced");
    assertEquals((await Deno.lstat(dir.join("out/file"))).isSymlink, false);
    const outside = await Array.fromAsync(Deno.readDir(dir.join("outside")), ({ name }) => name);
    assertEquals(outside, ["file"]);
  },
});

mountTest(
  "writeArtifact() names the file for which the disk is full, and leaves nothing behind",
  async () => {
    await using dir = await makeTempDir();
    const { store, manifest } = await artifactOf(dir, ["a/b", "x".repeat(100_000)]);
    const out = dir.join("out");
    await Deno.mkdir(out);
    await run("mount", ["-t", "tmpfs", "-o", "size=64k", "none", out]);
    try {
      await assertRejects(
        () => writeArtifact(store, manifest, out),
        OciError,
        `Cannot write "${out}/a/b": the disk is full`,
      );

      assertEquals(await namesIn(out), []);
    } finally {
      unmountTree(out);
    }
  },
);

mountTest("writeArtifact() removes the directories made before the disk was full", async () => {
  await using dir = await makeTempDir();
  const { store, manifest } = await artifactOf(dir, ["a/b/c/d/e", "x"]);
  const out = dir.join("out");
  await Deno.mkdir(out);
  await run("mount", ["-t", "tmpfs", "-o", "size=64k,nr_inodes=4", "none", out]);
  try {
    await assertRejects(() => writeArtifact(store, manifest, out), OciError, "the disk is full");

    assertEquals(await namesIn(out), []);
  } finally {
    unmountTree(out);
  }
});
