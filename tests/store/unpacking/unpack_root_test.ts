import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { fromFileUrl, join } from "@std/path";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { mountTmpfs } from "../../../layer/linux/native_mount.ts";
import { removeTree } from "../../../store/host/remove_tree.ts";
import { ContentStore, readImage, UnpackError, unpackImage } from "../../../store/mod.ts";
import { LockedUnpackRecord } from "../../../store/unpacking/_unpack_record.ts";
import { UnpackRoot } from "../../../store/unpacking/_unpack_root.ts";
import { buildImage, putBlobs } from "../../_support/image.ts";
import { mountTest } from "../../_support/mounting.ts";
import "../../_support/native_backend.ts";
import { ROOT, run } from "../../_support/process.ts";
import { posixTest } from "../../_support/skip.ts";
import { dir, file, hardlink, noise, tar } from "../../_support/tar.ts";
import { namesIn } from "../../_support/temp.ts";
import { unmountTree } from "../../_support/unmount_tree.ts";
import { fakeLayers, heldLayers, imageOf, makeUnpackBox, type UnpackBox } from "./_unpack_box.ts";

const ONE_FILE = imageOf(fakeLayers([tar(file("a", "x"))]));
/** More than fits into the memory between two threads. */
const LARGE = tar(dir("d"), file("d/noise", noise(6_000_000)), file("last", "x"));
const WORK = ".oci-unpack";

/** Names of the records in a store. */
async function recordsOf({ store }: UnpackBox): Promise<readonly string[]> {
  return (await namesIn(`${store.path}/locks`)).filter((name) => name.startsWith("unpack-"));
}

/** Makes a work directory with files in it. */
async function makeWork(root: string, id: string = crypto.randomUUID()): Promise<string> {
  const work = `${root}/${WORK}`;
  for (const path of [`${work}/${id}`, `${work}/0/closed`]) {
    await Deno.mkdir(path, { recursive: true });
  }
  await Deno.writeTextFile(`${work}/0/closed/f`, "x");
  await Deno.chmod(`${work}/0/closed`, 0o500);
  return work;
}

/**
 * Makes the leftovers of a process that was killed while it unpacked. Its record may name another
 * directory.
 */
async function leaveWork(box: UnpackBox, recorded: string = box.root): Promise<string> {
  const id = crypto.randomUUID();
  const record = await LockedUnpackRecord.lock(box.store.path, recorded);
  assert(record !== undefined && record !== "taken");
  await record.write(id);
  record[Symbol.dispose]();
  return await makeWork(box.root, id);
}

Deno.test("unpackImage() removes leftovers of a killed process from the directory", async () => {
  await using box = await makeUnpackBox();
  await leaveWork(box);

  await unpackImage(box.store, ONE_FILE, box.root);

  assertEquals(await namesIn(box.root), ["a"]);
  assertEquals(await recordsOf(box), []);
});

Deno.test("unpackImage() removes an empty work directory of a killed process", async () => {
  await using box = await makeUnpackBox();
  await removeTree(await leaveWork(box));
  await Deno.mkdir(`${box.root}/${WORK}`);

  await unpackImage(box.store, ONE_FILE, box.root);

  assertEquals(await namesIn(box.root), ["a"]);
});

Deno.test("unpackImage() with force removes leftovers and keeps other files", async () => {
  await using box = await makeUnpackBox();
  const work = await leaveWork(box);
  await Deno.writeTextFile(`${box.root}/mine`, "1");

  await assertRejects(() => unpackImage(box.store, ONE_FILE, box.root), UnpackError, "not empty");
  const isKept = await exists(work);
  await unpackImage(box.store, ONE_FILE, box.root, { force: true });

  assertEquals([isKept, await exists(work)], [true, false]);
  assertEquals(await Deno.readTextFile(`${box.root}/mine`), "1");
  assertEquals(await recordsOf(box), []);
});

Deno.test.each<{ what: string; make: (box: UnpackBox) => Promise<string> }>([
  { what: "the user made", make: (box) => makeWork(box.root) },
  { what: "was moved here", make: (box) => leaveWork(box, box.temp.join("elsewhere")) },
  {
    what: "has an ID other than the recorded one",
    make: async (box) => {
      await removeTree(await leaveWork(box));
      return await makeWork(box.root);
    },
  },
])("unpackImage() keeps a work directory that $what", async ({ make }) => {
  await using box = await makeUnpackBox();
  const work = await make(box);

  const error = await assertRejects(() => unpackImage(box.store, ONE_FILE, box.root), UnpackError);
  await unpackImage(box.store, ONE_FILE, box.root, { force: true });

  assertStringIncludes(error.message, `it contains "${WORK}"`);
  assertEquals(error.isBusy, false);
  assertEquals(await Deno.readTextFile(`${work}/0/closed/f`), "x");
  assertEquals(await Deno.readTextFile(`${box.root}/a`), "x");
});

Deno.test("unpackImage() unpacks an entry with the name of the work directory", async () => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(dir(WORK), file(`${WORK}/f`, "x"), file("b", "x"))]));

  await unpackImage(box.store, image, box.root);

  assertEquals(await namesIn(box.root), [WORK, "b"]);
  assertEquals(await Deno.readTextFile(`${box.root}/${WORK}/f`), "x");
  assertEquals(await recordsOf(box), []);
});

Deno.test("unpackImage() keeps entries of an image that look like a work directory", async () => {
  await using box = await makeUnpackBox();
  const image = imageOf(fakeLayers([tar(dir(WORK), file(`${WORK}/f`, "x"))]));
  await unpackImage(box.store, image, box.root);

  await assertRejects(() => unpackImage(box.store, image, box.root), UnpackError, WORK);

  assertEquals(await Deno.readTextFile(`${box.root}/${WORK}/f`), "x");
  assertEquals(await recordsOf(box), []);
});

Deno.test("unpackImage() rejects a file with the name of the work directory", async () => {
  await using box = await makeUnpackBox();
  await Deno.mkdir(box.root);
  await Deno.writeTextFile(`${box.root}/${WORK}`, "1");

  await assertRejects(() => unpackImage(box.store, ONE_FILE, box.root), UnpackError, "not empty");
});

Deno.test("unpackImage() rejects a directory to which others add files during the extraction", async () => {
  await using box = await makeUnpackBox();
  await Deno.mkdir(box.root);
  const { image, begun, release } = heldLayers([LARGE]);
  const unpacked = unpackImage(box.store, image, box.root);
  await begun;
  await Deno.writeTextFile(`${box.root}/mine`, "1");
  release();

  await assertRejects(() => unpacked, UnpackError, '"mine"');

  assertEquals(await namesIn(box.root), ["mine"]);
});

/** Several images that are unpacked into one directory, each with one file. */
const RIVALS = ["a", "b", "c", "d", "e", "f"].map((name) =>
  [name, imageOf(fakeLayers([tar(file(name, name))]))] as const
);

for (const isThere of [true, false]) {
  for (const stores of [1, 2]) {
    const what = `directory there=${isThere}, stores=${stores}`;
    Deno.test(`unpackImage() lets exactly one of several callers succeed, ${what}`, async () => {
      await using box = await makeUnpackBox();
      const other = await ContentStore.open(box.temp.join("other"));
      for (let round = 0; round < 5; round++) {
        if (isThere) await Deno.mkdir(box.root);

        const results = await Promise.allSettled(
          RIVALS.map(([, image], i) =>
            unpackImage(i % stores === 0 ? box.store : other, image, box.root)
          ),
        );

        const reasons = results.flatMap((result) =>
          result.status === "rejected" ? [result.reason] : []
        );
        assertEquals(reasons.filter((reason) => !(reason instanceof UnpackError)), []);
        const winners = RIVALS.filter((_, i) => results[i]?.status === "fulfilled");
        assertEquals(winners.length, 1);
        assertEquals(await namesIn(box.root), winners.map(([name]) => name));
        await Deno.remove(box.root, { recursive: true });
      }
      assertEquals(await recordsOf(box), []);
    });
  }
}

for (const force of [false, true]) {
  Deno.test(`unpackImage() rejects a directory that is being unpacked into, force=${force}`, async () => {
    await using box = await makeUnpackBox();
    const other = imageOf(fakeLayers([tar(file("a", "x"))]));
    const { image, begun, release } = heldLayers([LARGE]);
    const first = unpackImage(box.store, image, box.root);
    await begun;

    await assertRejects(
      () => unpackImage(box.store, other, box.root, { force }),
      UnpackError,
      "another process is unpacking into it",
    );

    release();
    await first;
    assertEquals(await namesIn(box.root), ["d", "last"]);
  });
}

Deno.test("unpackImage() keeps its lock when it starts over", async () => {
  await using box = await makeUnpackBox();
  const other = imageOf(fakeLayers([tar(file("a", "x"))]));
  // The selected path is a link to one that is not selected, so everything is extracted in a second
  // pass.
  const [layer] = fakeLayers([tar(file("b", "x"), hardlink("a", "b"))]);
  assert(layer !== undefined);
  let refused: Promise<unknown> | undefined;
  const image = imageOf([{
    ...layer,
    get descriptor() {
      if (layer.offsets.length > 0) {
        // The call waits a moment for the other one, which may have ended by then.
        refused ??= assertRejects(() => unpackImage(box.store, other, box.root), UnpackError);
      }
      return layer.descriptor;
    },
  }]);

  await unpackImage(box.store, image, box.root, { paths: ["a"] });

  assert(refused !== undefined);
  await refused;
  assertEquals(await namesIn(box.root), ["a"]);
});

Deno.test("unpackImage() unpacks into a directory that is locked for another purpose", async () => {
  await using box = await makeUnpackBox();
  await Deno.mkdir(box.root);
  using directory = await Deno.open(box.root);
  await directory.lock(true);

  await unpackImage(box.store, imageOf(fakeLayers([tar(file("a", "x"))])), box.root);

  assertEquals(await namesIn(box.root), ["a"]);
});

mountTest("UnpackRoot removes published names that are not UTF-8 when it fails", async () => {
  await using box = await makeUnpackBox();
  const root = await UnpackRoot.open(box.root, { store: box.store.path, force: false });
  const base = await root.makeBase();
  const make = (name: string) => {
    using tree = openFileTree(base, { backend: "native" });
    tree.createFile(name)?.[Symbol.dispose]();
  };
  // One of the two is moved before the mount point, which cannot be moved.
  make("\udcfe");
  await Deno.mkdir(`${base}/mounted`);
  mountTmpfs(`${base}/mounted`);
  make("\udcff");

  await assertRejects(() => root.publish(true, { backend: "native", ownership: "squash" }));
  unmountTree(base);
  await root[Symbol.asyncDispose]();

  assertEquals(await exists(box.root), false);
});

Deno.test("unpackImage() keeps a directory of another call beside its own when it fails", async () => {
  await using box = await makeUnpackBox();
  const stop = new AbortController();
  const { image, begun, release } = heldLayers([tar(file("a", "x"))]);
  const failing = assertRejects(
    () => unpackImage(box.store, image, `${box.root}/new/a`, { signal: stop.signal }),
    DOMException,
  );
  await begun;
  const other = imageOf(fakeLayers([tar(file("b", "x"))]));
  await unpackImage(box.store, other, `${box.root}/new/b`);

  stop.abort();
  release();
  await failing;

  assertEquals(await namesIn(`${box.root}/new`), ["b"]);
});

/** Unpacks in another process, which kills itself at a call if a number is given. */
async function unpackKilled({ store, root }: UnpackBox, at = 0) {
  const script = fromFileUrl(new URL("_unpack_killed.ts", import.meta.url));
  return await run(Deno.execPath(), [
    ...["run", "-A", "--quiet", `--config=${join(ROOT, "deno.json")}`, script],
    ...[store.path, root, String(at)],
  ], { inheritEnv: true });
}

posixTest(
  "unpackImage() replaces the leftovers of a process killed at any moment of publishing",
  async () => {
    await using whole = await makeUnpackBox();
    const { stdout, stderr } = await unpackKilled(whole);
    const calls = Number(stdout);
    assert(calls > 5, stderr);
    const published = [WORK, "d", "e"];
    assertEquals(await namesIn(whole.root), published);
    let leftovers = 0;
    for (let at = 1; at <= calls; at++) {
      await using box = await makeUnpackBox();

      assertEquals((await unpackKilled(box, at)).signal, "SIGKILL");

      const names = await namesIn(box.root);
      if (names.join() === published.join() && !await exists(`${box.root}/${WORK}/0`)) {
        // Only times and modes of the directory itself may be missing.
        await assertRejects(() => unpackImage(box.store, ONE_FILE, box.root), UnpackError);
        continue;
      }
      leftovers++;
      await unpackImage(box.store, ONE_FILE, box.root);
      assertEquals(await namesIn(box.root), ["a"], `killed at call ${at}`);
      assertEquals(await recordsOf(box), []);
    }
    assert(leftovers > 5);
  },
);

posixTest.each<{ what: string; change: (root: string) => Promise<void> }>([
  { what: "an added file", change: (root) => Deno.writeTextFile(`${root}/mine`, "1") },
  {
    what: "a file in a published directory",
    change: (root) => Deno.writeTextFile(`${root}/d/mine`, "1"),
  },
])("unpackImage() keeps $what among leftovers", async ({ change }) => {
  await using box = await makeUnpackBox();
  // After the entries of the image, the work directory is removed.
  for (let at = 4; !await exists(`${box.root}/d`); at++) {
    await removeTree(box.root);
    await unpackKilled(box, at);
  }
  await change(box.root);
  const before = await namesIn(box.root);

  const again = () => unpackImage(box.store, ONE_FILE, box.root);
  await assertRejects(again, UnpackError, "not empty");

  assertEquals(await namesIn(box.root), before);
});

mountTest(
  "unpackImage() unpacks a stored image although the disk of the store is full",
  async () => {
    await using box = await makeUnpackBox();
    await Deno.mkdir(box.store.path);
    mountTmpfs(box.store.path, { sizeBytes: 1024 * 1024 });
    using _mount = { [Symbol.dispose]: () => unmountTree(box.store.path) };
    const image = buildImage({ layers: [tar(file("a", "x"))], platform: "linux/amd64" });
    await putBlobs(box.store, image);
    const stored = await readImage(box.store, image.descriptor.digest, image.platform);
    assert(stored !== undefined);
    const filler = new Uint8Array(1024);
    const fill = async () => {
      using rest = await Deno.create(`${box.store.path}/ingest/filler`);
      for (;;) await rest.write(filler);
    };
    await assertRejects(fill, Error, "No space left");

    await unpackImage(box.store, stored, box.root);

    assertEquals(await namesIn(box.root), ["a"]);
    assertEquals(await recordsOf(box), []);
  },
);
