import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { basename } from "@std/path";
import { keepNativeBackend } from "../../../layer/linux/native_libc.ts";
import { BundleDirectory } from "../../../store/bundles/_bundle_directory.ts";
import type { BundleRecord } from "../../../store/bundles/bundle_record.ts";
import { BundleRecords } from "../../../store/bundles/bundle_records.ts";
import {
  BundleError,
  listBundles,
  removeBundle,
  removeDeadBundles,
  UncompressedBundler,
} from "../../../store/mod.ts";
import { readRootlessMaps } from "../../../store/runtime/rootless_maps.ts";
import "../../_support/native_backend.ts";
import { run } from "../../_support/process.ts";
import { posixTest, testUnless } from "../../_support/skip.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { BASE, changeRecord, makeStore, type TestStore } from "./_bundling.ts";

const CLAIM = {
  kind: "uncompressed",
  image: `sha256:${"0".repeat(64)}`,
  isTemporary: false,
} as const;

async function makeBundler(test: TestStore) {
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new UncompressedBundler(test.store);
  return {
    image,
    bundler,
    make: async (id: string) => (await bundler.bundle(image, id)).path,
  };
}

function recordOf(test: TestStore, path: string): BundleRecord | undefined {
  return BundleRecords.open(test.path).list().find((record) => record.path === path);
}

Deno.test("removeBundle() reports a missing bundle", async () => {
  await using test = await makeStore();

  assertEquals(await removeBundle(test.path, test.directory.join("none")), false);
});

Deno.test("removeBundle() does not follow a symlink out of the bundle", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  const outside = test.directory.join("outside");
  await Deno.mkdir(outside);
  await Deno.symlink(outside, `${path}/rootfs/link`);
  await Deno.symlink(outside, `${path}/link`);

  await removeBundle(test.path, path);

  assertEquals((await Deno.stat(outside)).isDirectory, true);
});

Deno.test("removeBundle() removes directories that are nested too deep for a path", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  const chain = (name: string) => Array.from({ length: 14 }, () => name.repeat(200)).join("/");
  for (const name of ["x", "y", "z"]) {
    await Deno.mkdir(`${path}/rootfs/${chain(name)}`, { recursive: true });
  }
  // A container can do so by creating directories in its working directory.
  await Deno.rename(`${path}/rootfs/${"z".repeat(200)}`, `${path}/rootfs/${chain("y")}/z`);
  await Deno.rename(`${path}/rootfs/${"y".repeat(200)}`, `${path}/rootfs/${chain("x")}/y`);

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals([await test.list("containers"), await test.list("bundles")], [[], []]);
});

Deno.test("removeBundle() rejects a bundle that another process is making", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  const id = recordOf(test, path)?.id ?? "";
  using _lock = await BundleRecords.open(test.path).tryLock(id);

  await assertRejects(() => removeBundle(test.path, path), BundleError, "another process is");

  assertEquals((await Deno.stat(`${path}/config.json`)).isFile, true);
  assertEquals((await listBundles(test.path)).map(({ condition }) => condition), ["used"]);
});

Deno.test("removeBundle() completes an interrupted removal", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  await changeRecord(test.path, path, { phase: "removal" });
  await Deno.remove(`${path}/config.json`);
  await Deno.remove(`${path}/rootfs/etc`, { recursive: true });

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals([await test.list("containers"), await test.list("bundles")], [[], []]);
});

Deno.test("removeBundle() forgets a bundle whose directory was removed", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  await Deno.remove(path, { recursive: true });

  assertEquals(await removeBundle(test.path, path), true);

  assertEquals(await test.list("bundles"), []);
  assertEquals(await removeBundle(test.path, path), false);
});

Deno.test("a bundler removes the leftovers of killed processes, and nothing else", async () => {
  await using test = await makeStore();
  const { image, bundler, make } = await makeBundler(test);
  const temporary = new UncompressedBundler(test.store, { isTemporary: true });
  const [dead, busy] = [await make("dead"), await make("busy")];
  const complete = await make("complete");
  await using own = await temporary.bundle(image, "own");
  for (const path of [dead, busy]) await changeRecord(test.path, path, { phase: "making" });
  const id = recordOf(test, busy)?.id ?? "";
  using _lock = await BundleRecords.open(test.path).tryLock(id);

  const made = (await bundler.bundle(image, "made")).path;

  // The temporary one ends with this process, which still runs.
  const paths = [busy, complete, own.path, made];
  assertEquals(await test.list("containers"), paths.map((path) => basename(path)).sort());
  assertEquals((await listBundles(test.path)).map(({ path }) => path), paths.toSorted());
});

Deno.test("removeDeadBundles() removes a temporary bundle whose process has ended", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("a");
  await changeRecord(test.path, path, { isTemporary: true });

  const tried = await removeDeadBundles(test.path, { dryRun: true });
  const conditions = (await listBundles(test.path)).map(({ condition }) => condition);
  // A process that another test starts inherits the lock until it executes its program.
  let done = await removeDeadBundles(test.path);
  for (let i = 0; i < 100 && done.removed.length === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    done = await removeDeadBundles(test.path);
  }

  assertEquals([tried, done], [{ removed: [path], left: [] }, { removed: [path], left: [] }]);
  assertEquals(conditions, ["dead"]);
  assertEquals([await test.list("containers"), await test.list("bundles")], [[], []]);
});

Deno.test("removeDeadBundles() removes directories that were only claimed", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const marked = test.directory.join("marked");
  const empty = test.directory.join("empty");
  const used = test.directory.join("used");
  const replaced = test.directory.join("replaced");
  const records = BundleRecords.open(test.path);
  for (const path of [marked, empty, used, replaced]) {
    using _claimed = await BundleDirectory.claim(records, path, CLAIM);
    await changeRecord(test.path, path, { phase: "claimed", inode: null });
  }
  await Deno.remove(`${empty}/.oci-bundle`);
  await Deno.remove(`${used}/.oci-bundle`);
  await Deno.writeTextFile(`${used}/file`, "mine");
  await Deno.remove(replaced, { recursive: true });
  await Deno.writeTextFile(replaced, "mine");

  await make("other");

  const left = await Promise.all([marked, empty, used, replaced].map((path) => exists(path)));
  assertEquals(left, [false, false, true, true]);
  assertEquals(await Deno.readTextFile(`${used}/file`), "mine");
  assertEquals((await listBundles(test.path)).map(({ path }) => basename(path)), ["other"]);
});

Deno.test("removeDeadBundles() removes a directory without its mark", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const [own, other] = [await make("a"), await make("b")];
  for (const path of [own, other]) {
    await changeRecord(test.path, path, { phase: "removal" });
    for await (const { name } of Deno.readDir(path)) {
      await Deno.remove(`${path}/${name}`, { recursive: true });
    }
  }
  // Another one with the same path.
  await Deno.rename(other, `${other}2`);
  await Deno.mkdir(other);

  await removeDeadBundles(test.path);

  assertEquals([await exists(own), await exists(other)], [false, true]);
  assertEquals(await test.list("bundles"), []);
});

Deno.test("removeDeadBundles() keeps a record until the directory is certainly gone", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const [disk, away] = [test.directory.join("disk"), test.directory.join("away")];
  await Deno.mkdir(disk);
  await bundler.bundleIn(`${disk}/box`, image);
  // Simulates a file system that is not mounted.
  await Deno.rename(disk, away);

  const unmounted = await removeDeadBundles(test.path);
  const conditions = (await listBundles(test.path)).map(({ condition }) => condition);
  await Deno.rename(away, disk);

  assertEquals([unmounted, conditions], [{ removed: [], left: [] }, ["missing"]]);
  assertEquals((await listBundles(test.path)).map(({ condition }) => condition), ["kept"]);
  await Deno.remove(`${disk}/box`, { recursive: true });
  assertEquals((await listBundles(test.path)).map(({ condition }) => condition), ["missing"]);
  assertEquals((await removeDeadBundles(test.path)).removed, [`${disk}/box`]);
  assertEquals(await test.list("bundles"), []);
});

Deno.test("removeDeadBundles() reports a record that it cannot read", async () => {
  await using test = await makeStore();
  const id = crypto.randomUUID();
  await Deno.mkdir(`${test.path}/bundles`, { recursive: true });
  const path = `${test.path}/bundles/${id}.json`;
  await Deno.writeTextFile(path, "null");

  const { removed, left } = await removeDeadBundles(test.path);

  assertEquals([removed, left.map(({ path }) => path)], [[], [path]]);
});

Deno.test("removeDeadBundles() removes a lock that a killed process left behind", async () => {
  await using test = await makeStore();
  await Deno.mkdir(`${test.path}/bundles`, { recursive: true });
  await Deno.writeTextFile(`${test.path}/bundles/${crypto.randomUUID()}.lock`, "");

  await removeDeadBundles(test.path);

  assertEquals(await test.list("bundles"), []);
});

Deno.test("concurrent claims and removals of a bundle leave nothing behind", async () => {
  await using test = await makeStore();
  using _native = keepNativeBackend();
  const records = BundleRecords.open(test.path);
  const path = test.directory.join("bundle");
  const errors = new Set<string>();

  await Promise.all(Array.from({ length: 6 }, async () => {
    for (let i = 0; i < 25; i++) {
      try {
        using claimed = await BundleDirectory.claim(records, path, CLAIM);
        await claimed.remove();
      } catch (error) {
        errors.add((error as Error).message);
      }
    }
  }));

  const allowed = /another process is|it is not empty/;
  assertEquals([...errors].filter((message) => !allowed.test(message)), []);
  // An empty directory may remain: a later claim finds it, and keeps it as an existing directory.
  const rest = await exists(path) ? await Array.fromAsync(Deno.readDir(path)) : [];
  assertEquals([rest, await test.list("bundles")], [[], []]);
});

Deno.test("exactly one of several bundlers can make a bundle in a directory", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  await using other = await makeStore();
  using _native = keepNativeBackend();
  const otherImage = await storeBuilt(other.store, { layers: [BASE] });
  for (let round = 0; round < 20; round++) {
    const path = test.directory.join("box");
    if (round % 2 === 0) await Deno.mkdir(path);

    const results = await Promise.allSettled([
      bundler.bundleIn(path, image),
      bundler.bundleIn(path, image),
      new UncompressedBundler(other.store).bundleIn(path, otherImage),
    ]);

    const made = results.filter((result) => result.status === "fulfilled");
    const messages = results.filter((result) => result.status === "rejected")
      .map(({ reason }) => reason instanceof BundleError ? "refused" : String(reason));
    assertEquals([made.length, ...messages], [1, "refused", "refused"]);
    assertEquals(await Deno.readTextFile(`${path}/rootfs/secret`), "secret");
    for (const { value } of made) await value.cleanup();
    assertEquals(await exists(path), false);
  }
  assertEquals([await test.list("bundles"), await other.list("bundles")], [[], []]);
});

Deno.test("a bundle outside the store has a record in the store until it is removed", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  const path = test.directory.join("elsewhere");

  const bundle = await bundler.bundleIn(path, image);

  const { condition, kind } = (await listBundles(test.path))[0] ?? {};
  assertEquals([condition, kind], ["kept", "uncompressed"]);
  await bundle.cleanup();
  assertEquals(await test.list("bundles"), []);
});

posixTest("no other user can enter a bundle", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);

  await using bundle = await bundler.bundle(image, "a");

  assertEquals((await Deno.stat(bundle.path)).mode, 0o40700);
  assertEquals((await Deno.stat(`${test.path}/bundles`)).mode, 0o40700);
});

Deno.test("a bundle that cannot be started leaves nothing behind", async () => {
  await using test = await makeStore();
  const { image, bundler } = await makeBundler(test);
  await Deno.symlink("nowhere", `${test.path}/bundles`);
  const path = test.directory.join("elsewhere");

  await assertRejects(() => bundler.bundleIn(path, image));

  assertEquals(await exists(path), false);
});

testUnless(
  Deno.uid() === 0
    ? "needs an ordinary user"
    : (await readRootlessMaps()).uidMap.length < 2
    ? "no subordinate user ids"
    : undefined,
)("removeBundle() removes files of a rootless container's other users", async () => {
  await using test = await makeStore();
  const { make } = await makeBundler(test);
  const path = await make("web");
  const script = "mkdir -p d/e && touch d/e/f && chown -R 1:1 d && chmod 700 d";
  const made = await run(
    "unshare",
    ["--map-root-user", "--map-auto", "sh", "-c", `cd ${path}/rootfs && ${script}`],
  );
  assertEquals(made.code, 0, made.stderr);

  const removed = await removeBundle(test.path, path);

  assertEquals([removed, await exists(path)], [true, false]);
});
