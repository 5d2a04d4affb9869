/** Directories that look like bundles because of an image, another store or a copy. */
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import { BundleRecords } from "../../../store/bundles/bundle_records.ts";
import {
  BundleError,
  listBundles,
  removeBundle,
  removeDeadBundles,
  StoreError,
  UncompressedBundler,
} from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { PLANTED_FILES, plantedTest } from "../_planted.ts";
import { describeRoot } from "../_root_tree.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { BASE, makeStore, type TestStore } from "./_bundling.ts";

/** An attacker may have put a mark, or the file of older versions, into a directory. */
const MARKS = [".oci-bundle", "oci-bundle.json"];

async function makeBundler(test: TestStore) {
  const image = await storeBuilt(test.store, { layers: [BASE] });
  return { image, bundler: new UncompressedBundler(test.store) };
}

/** Checks that neither a bundler nor a removal accepts a directory, or changes anything in it. */
async function assertUntouched(test: TestStore, path: string): Promise<void> {
  const { image, bundler } = await makeBundler(test);
  const before = describeRoot(path);

  await assertRejects(() => removeBundle(test.path, path), BundleError, "Cannot remove");
  await assertRejects(() => bundler.bundleIn(path, image), BundleError, "it is not empty");
  await removeDeadBundles(test.path);

  assertEquals(describeRoot(path), before);
}

Deno.test.each([
  { what: "an empty directory", files: {} },
  { what: "someone else's files", files: { "config.json": "{}", "rootfs": "" } },
  { what: "a file with the name of the mark", files: { ".oci-bundle": "mine", "data": "" } },
  { what: "the state of a runtime", files: { "run-1": "", "container.json": "{}" } },
])("removeBundle() does not touch $what", async ({ files }) => {
  await using test = await makeStore();
  const path = test.directory.join("mine");
  await Deno.mkdir(path);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, text);
  }

  await assertRejects(() => removeBundle(test.path, path), BundleError, "has no record");

  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  assertEquals(names.sort(), Object.keys(files).sort());
});

for (const mark of MARKS) {
  plantedTest(
    PLANTED_FILES,
    (what) => `a bundler and removeBundle() refuse ${what} at ${mark}`,
    async ({ plant }) => {
      await using test = await makeStore();
      const [path, aside] = [test.directory.join("box"), test.directory.join("aside")];
      await Deno.mkdir(path);
      await Deno.mkdir(aside);
      await plant(`${path}/${mark}`, aside);
      const before = describeRoot(aside);

      await assertUntouched(test, path);

      assertEquals(describeRoot(aside), before);
    },
  );
}

Deno.test("a bundler and removeBundle() reject a huge sparse mark", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await Deno.mkdir(path);
  for (const mark of MARKS) {
    await Deno.writeTextFile(`${path}/${mark}`, "");
    await Deno.truncate(`${path}/${mark}`, 2 ** 40);
  }
  const { image, bundler } = await makeBundler(test);

  await assertRejects(() => removeBundle(test.path, path), BundleError, "has no record");
  await assertRejects(() => bundler.bundleIn(path, image), BundleError, "it is not empty");

  assertEquals((await Deno.stat(`${path}/${MARKS[0]}`)).size, 2 ** 40);
});

Deno.test("a bundler and removeBundle() reject a mark that no store made", async () => {
  await using test = await makeStore();
  const path = test.directory.join("box");
  await Deno.mkdir(`${path}/rootfs`, { recursive: true });
  await Deno.symlink(crypto.randomUUID(), `${path}/.oci-bundle`);

  await assertUntouched(test, path);
});

Deno.test("removeBundle() rejects a bundle of another store", async () => {
  await using test = await makeStore();
  await using other = await makeStore();
  const { image, bundler } = await makeBundler(other);
  const path = test.directory.join("box");
  await using _bundle = await bundler.bundleIn(path, image);

  await assertUntouched(test, path);
});

Deno.test("removeBundle() rejects a bundle inside the root of another one", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  await using bundle = await bundler.bundle(image, "outer");
  await using other = await bundler.bundle(image, "other");
  const inner = `${bundle.path}/rootfs/inner`;
  await Deno.mkdir(`${inner}/rootfs`, { recursive: true });
  // As if an image had guessed the mark of an existing bundle.
  await Deno.symlink(await Deno.readLink(`${other.path}/.oci-bundle`), `${inner}/.oci-bundle`);

  await assertUntouched(test, inner);

  assertEquals((await listBundles(test.path)).length, 2);
});

Deno.test("removeBundle() rejects a bundle that was moved, and names its former path", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const [path, moved] = [test.directory.join("box"), test.directory.join("moved")];
  const bundle = await bundler.bundleIn(path, image);
  await Deno.rename(path, moved);

  const error = await assertRejects(() => removeBundle(test.path, moved), BundleError);

  assertStringIncludes(error.message, `moved or copied from "${path}". Move it back`);
  await Deno.rename(moved, path);
  await bundle.cleanup();
  assertEquals(await test.list("bundles"), []);
});

Deno.test("removeBundle() rejects a copy, even in place of the bundle", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const [path, kept] = [test.directory.join("box"), test.directory.join("kept")];
  await bundler.bundleIn(path, image);
  await Deno.rename(path, kept);
  await Deno.mkdir(path);
  await Deno.symlink(await Deno.readLink(`${kept}/.oci-bundle`), `${path}/.oci-bundle`);
  await Deno.writeTextFile(`${path}/file`, "mine");

  await assertUntouched(test, path);

  await assertRejects(() => removeBundle(test.path, kept), BundleError, "Cannot remove");
  assertEquals(await Deno.readTextFile(`${path}/file`), "mine");
});

Deno.test("removeBundle() rejects a directory that replaced a bundle", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const path = test.directory.join("box");
  await bundler.bundleIn(path, image);
  await Deno.remove(path, { recursive: true });
  // The new directory often has the same inode.
  await Deno.mkdir(path);
  await Deno.writeTextFile(`${path}/file`, "mine");

  await assertRejects(() => removeBundle(test.path, path), BundleError, "has no record");
  assertEquals((await removeDeadBundles(test.path)).removed, [path]);

  assertEquals(await Deno.readTextFile(`${path}/file`), "mine");
  assertEquals(await test.list("bundles"), []);
});

plantedTest(
  PLANTED_FILES.filter(({ what }) => what !== "a symlink to nothing"),
  (what) => `removeBundle() believes no record that is ${what}`,
  async ({ plant }) => {
    await using test = await makeStore();
    const [path, aside] = [test.directory.join("box"), test.directory.join("aside")];
    await Deno.mkdir(path);
    await Deno.mkdir(aside);
    const id = crypto.randomUUID();
    await Deno.symlink(id, `${path}/.oci-bundle`);
    await Deno.mkdir(`${test.path}/bundles`, { recursive: true, mode: 0o700 });
    const record = `${test.path}/bundles/${id}.json`;
    await plant(record, aside);

    await assertRejects(() => removeBundle(test.path, path), StoreError, basename(record));
    const { left } = await removeDeadBundles(test.path);

    assertEquals(left.map(({ path }) => path), [record]);
  },
);

Deno.test("removeBundle() rejects a record of another version or name", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const { path } = await bundler.bundle(image, "a");
  const [record] = BundleRecords.open(test.path).list();
  const file = `${test.path}/bundles/${record?.id}.json`;
  const value = JSON.parse(await Deno.readTextFile(file));
  const wrong = [
    ...[null, [], "text", { ...value, version: 2 }, { ...value, id: crypto.randomUUID() }],
    ...[{ ...value, path: 1 }, { ...value, mounts: [{ target: "../.." }] }],
    ...[{ ...value, phase: "none" }, { ...value, image: "latest" }],
  ];
  for (const one of wrong) {
    await Deno.writeTextFile(file, JSON.stringify(one));

    await assertRejects(() => removeBundle(test.path, path), StoreError, "bundles");
  }

  assertEquals(await Deno.readTextFile(`${path}/rootfs/secret`), "secret");
});
