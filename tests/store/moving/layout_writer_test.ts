import { assertEquals, assertRejects } from "@std/assert";
import type { PushContentOptions } from "../../../spec/image/content.ts";
import { openBytes } from "../../../spec/image/read_bytes.ts";
import type { Descriptor } from "../../../spec/mod.ts";
import { lockPruning } from "../../../store/content/hold.ts";
import { ContentStore } from "../../../store/mod.ts";
import { LayoutWriter } from "../../../store/moving/layout_writer.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, type Built, putBlobs } from "../../_support/image.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";

const [FIRST, SECOND] = [
  buildImage({ layers: [noise(1000)] }),
  buildImage({ layers: [noise(2000)] }),
];
const LAYOUT = ["blobs", "index.json", "oci-layout"];
const STORE = ["blobs", "index.json", "ingest", "locks", "oci-layout", "verified"];

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function push(writer: LayoutWriter, { blobs, descriptor: root }: Built, name: string) {
  for (const { descriptor, bytes } of blobs.values()) {
    await writer.push(descriptor, openBytes(bytes));
  }
  await writer.tag(name, root);
}

Deno.test("LayoutWriter leaves no directories of a store behind, even after a second image", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");

  for (const [name, image] of [["a", FIRST], ["b", SECOND]] as const) {
    await using writer = await LayoutWriter.create(path);
    await push(writer, image, name);
    await writer.commit();
    assertEquals(await namesIn(path), LAYOUT);
  }

  const { length } = await (await ContentStore.open(path, { foreign: true })).references();
  assertEquals(length, 2);
});

Deno.test("LayoutWriter removes the directories of a killed writer", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  {
    await using killed = await LayoutWriter.create(path);
    await push(killed, FIRST, "a");
    await Deno.writeFile(`${path}/ingest/sha256-${"0".repeat(64)}.part`, noise(10));
  }
  assertEquals(await namesIn(path), STORE);

  await using writer = await LayoutWriter.create(path);
  await push(writer, FIRST, "a");
  await writer.commit();

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test("LayoutWriter does not take a layout for a store while its locks are removed", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await Deno.mkdir(`${path}/locks`, { recursive: true });
  await Deno.writeFile(`${path}/locks/prune.lock`, new Uint8Array());

  await using writer = await LayoutWriter.create(path);
  await push(writer, FIRST, "a");
  await writer.commit();

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test("LayoutWriter removes unused directories of a store if nothing is written", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  {
    await using writer = await LayoutWriter.create(path);
    await push(writer, FIRST, "a");
    await writer.commit();
  }

  {
    await using _writer = await LayoutWriter.create(path);
    assertEquals(await namesIn(path), STORE);
  }

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test("LayoutWriter keeps the directories that another writer needs", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await using first = await LayoutWriter.create(path);
  await push(first, FIRST, "a");
  await using second = await LayoutWriter.create(path);

  await first.commit();
  assertEquals(await namesIn(path), STORE);
  await push(second, SECOND, "b");
  await second.commit();

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test("LayoutWriter begins again if the layout is tidied up while it begins", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await Deno.mkdir(`${path}/locks`, { recursive: true });
  await Deno.writeTextFile(`${path}/locks/temporary`, "");
  await using writer = await LayoutWriter.create(path);
  // As another writer does that ends.
  const lock = await lockPruning(path, "prune");
  const pushed = push(writer, FIRST, "a");
  while (!(await namesIn(path)).includes("index.json")) await delay(1);
  await delay(20);
  for (const name of ["oci-layout", "index.json", "blobs", "ingest", "verified", "locks"]) {
    await Deno.remove(`${path}/${name}`, { recursive: true });
  }
  lock[Symbol.dispose]();

  await pushed;
  await writer.commit();

  assertEquals(await namesIn(path), LAYOUT);
  const { length } = await (await ContentStore.open(path, { foreign: true })).references();
  assertEquals(length, 1);
});

Deno.test("LayoutWriter loses no image if many write at the same time", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  const write = async (name: string) => {
    await using writer = await LayoutWriter.create(path);
    await push(writer, FIRST, name);
    await writer.commit();
  };

  for (let round = 0; round < 10; round++) {
    await Promise.all([0, 1, 2, 3].map((number) => write(`${round}-${number}`)));
  }

  assertEquals(await namesIn(path), LAYOUT);
  const { length } = await (await ContentStore.open(path, { foreign: true })).references();
  assertEquals(length, 40);
});

Deno.test("LayoutWriter keeps the directories of a store", async () => {
  await using dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  await putBlobs(store, FIRST);
  await store.tag("h.io/a:1", FIRST.descriptor);

  await using writer = await LayoutWriter.create(dir.path);
  await push(writer, SECOND, "b");
  await writer.commit();

  assertEquals(await namesIn(dir.path), STORE);
});

async function pushFailing(path: string): Promise<void> {
  await using writer = await LayoutWriter.create(path);
  const fail = () => Promise.reject(new Error("the source broke"));
  await writer.push(FIRST.descriptor, fail);
}

Deno.test.each([
  { what: "a new layout and its new parents", path: "a/b/layout", left: [] },
  { what: "a new layout, but not its directory", path: "", left: [] },
  { what: "nothing else", path: "a", other: "a/blobs/note", left: ["a"] },
])("LayoutWriter removes $what if nothing was stored", async ({ path, other, left }) => {
  await using dir = await makeTempDir();
  if (other !== undefined) {
    await Deno.mkdir(dir.join("a/blobs"), { recursive: true });
    await Deno.writeTextFile(dir.join(other), "");
  }

  await assertRejects(() => pushFailing(dir.join(path)), Error, "the source broke");

  assertEquals(await namesIn(dir.path), left);
  if (other !== undefined) assertEquals(await Deno.readTextFile(dir.join(other)), "");
});

Deno.test("LayoutWriter keeps an existing layout if nothing was stored", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await Deno.mkdir(`${path}/blobs`, { recursive: true });
  await Deno.writeTextFile(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  await Deno.writeTextFile(`${path}/index.json`, '{"schemaVersion":2,"manifests":[]}');

  await assertRejects(() => pushFailing(path), Error, "the source broke");

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test.each(["blobs", "blobs/sha256", "oci-layout"])(
  "LayoutWriter refuses a layout whose %s is a symlink, and names it",
  async (name) => {
    await using dir = await makeTempDir();
    const path = dir.join("layout");
    await Deno.mkdir(`${path}/blobs/sha256`, { recursive: true });
    await Deno.writeTextFile(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
    await Deno.rename(`${path}/${name}`, dir.join("elsewhere"));
    await Deno.symlink(dir.join("elsewhere"), `${path}/${name}`);

    await assertRejects(
      () => LayoutWriter.create(path),
      Error,
      `"${path}/${name}": it is a symlink`,
    );
  },
);

Deno.test.each([
  { what: "a symlink", make: (path: string) => Deno.symlink("elsewhere", path) },
  { what: "not JSON", make: (path: string) => Deno.writeTextFile(path, "{") },
])("LayoutWriter refuses a layout whose index.json is $what before it writes", async ({ make }) => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  await make(`${path}/index.json`);

  await assertRejects(() => LayoutWriter.create(path), Error, `"${path}/index.json"`);

  assertEquals(await namesIn(path), ["index.json", "oci-layout"]);
});

Deno.test("LayoutWriter writes full names as containerd reads them, but no tags", async () => {
  await using dir = await makeTempDir();
  await using writer = await LayoutWriter.create(dir.path);

  for (const name of ["h.io/a:1", "v1", `h.io/a@${FIRST.descriptor.digest}`]) {
    await push(writer, FIRST, name);
  }
  await writer.record();

  const { manifests } = JSON.parse(await Deno.readTextFile(dir.join("index.json")));
  assertEquals(
    manifests.map(({ annotations }: Descriptor) => annotations?.["io.containerd.image.name"]),
    ["h.io/a:1", undefined, undefined],
  );
});

Deno.test("LayoutWriter records the complete images after a failure, each name as given last", async () => {
  await using dir = await makeTempDir();
  const layout = await ContentStore.open(dir.path);
  const images = [["a", FIRST], ["b", FIRST], ["a", SECOND]] as const;
  {
    await using writer = await LayoutWriter.create(dir.path);
    for (const [name, image] of images) {
      await push(writer, image, name);
      assertEquals((await writer.resolve(name))?.digest, image.descriptor.digest);
    }
    assertEquals(await layout.references(), []);
  }

  const recorded = (await layout.references()).map(({ name, descriptor }) => [
    name,
    descriptor.digest,
  ]);
  assertEquals(recorded, [["a", SECOND.descriptor.digest], ["b", FIRST.descriptor.digest]]);
});

/** Writes a layer into a layout and fails. */
async function pushPartly(path: string, options: PushContentOptions = {}): Promise<void> {
  const layer = FIRST.layers[0] ?? FIRST.config;
  const fail = async () => {
    await using writer = await LayoutWriter.create(path);
    await writer.push(layer.descriptor, openBytes(layer.bytes), options);
    const isCut = () => Promise.resolve(ReadableStream.from(cut()));
    await writer.push(FIRST.descriptor, isCut, options);
  };
  await assertRejects(fail, Error, "the source broke");
}

function* cut() {
  yield new Uint8Array(10);
  throw new Error("the source broke");
}

Deno.test("LayoutWriter removes a new layout if a local source fails", async () => {
  await using dir = await makeTempDir();

  await pushPartly(dir.join("a/layout"));

  assertEquals(await namesIn(dir.path), []);
});

Deno.test("LayoutWriter keeps an index that existed before a failure", async () => {
  await using dir = await makeTempDir();
  const index = JSON.stringify({ schemaVersion: 2, manifests: [], annotations: { a: "b" } });
  await Deno.writeTextFile(dir.join("index.json"), index);

  await pushPartly(dir.path);

  assertEquals(await Deno.readTextFile(dir.join("index.json")), index);
});

Deno.test("LayoutWriter keeps incomplete downloads, but not as a layout", async () => {
  await using dir = await makeTempDir();

  await pushPartly(dir.path, { source: "h.io/a:1" });
  const downloaded = ["blobs", "ingest", "locks", "verified"];
  assertEquals(await namesIn(dir.path), downloaded);
  // They also survive a failure that downloads nothing.
  await pushPartly(dir.path);
  assertEquals(await namesIn(dir.path), downloaded);
  await assertRejects(() => ContentStore.open(dir.path, { foreign: true }), Error, "no oci-layout");

  await using writer = await LayoutWriter.create(dir.path);
  await push(writer, FIRST, "a");
  await writer.commit();
  assertEquals(await namesIn(dir.path), LAYOUT);
});

Deno.test("LayoutWriter keeps the images of a layout after a failure", async () => {
  await using dir = await makeTempDir();
  {
    await using writer = await LayoutWriter.create(dir.path);
    await push(writer, SECOND, "b");
    await writer.commit();
  }

  await pushPartly(dir.path);

  const [{ name } = {}] = await (await ContentStore.open(dir.path, { foreign: true })).references();
  assertEquals(name, "b");
});

Deno.test("LayoutWriter can be used again after a failure", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await using writer = await LayoutWriter.create(path);
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/locks`, "");
  await assertRejects(() => push(writer, FIRST, "a"));
  await Deno.remove(`${path}/locks`);

  await push(writer, FIRST, "a");
  await writer.commit();

  assertEquals(await namesIn(path), LAYOUT);
});

Deno.test("LayoutWriter removes its locks where an open file keeps its directory", async () => {
  await using dir = await makeTempDir();
  const path = dir.join("layout");
  await using writer = await LayoutWriter.create(path);
  await push(writer, FIRST, "a");
  {
    using _ = keepOpenFiles(`${path}/locks`);
    await writer.commit();
  }

  assertEquals(await namesIn(path), LAYOUT);
});

/** Removes a directory like NFS and FUSE, where a file that is open only disappears once closed. */
function keepOpenFiles(kept: string): Disposable {
  const { remove } = Deno;
  Deno.remove = async (path, options) => {
    await remove(path, options);
    if (path !== kept) return;
    await Deno.mkdir(kept);
    throw Object.assign(new Error("Directory not empty (os error 39)"), { code: "ENOTEMPTY" });
  };
  return { [Symbol.dispose]: () => void (Deno.remove = remove) };
}
