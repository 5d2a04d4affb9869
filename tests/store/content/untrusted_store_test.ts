import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { exists } from "@std/fs";
import { digestHex, LimitError } from "../../../spec/mod.ts";
import {
  ContentStore,
  StoreError,
  StoreFileError,
  UntrustedStoreError,
} from "../../../store/mod.ts";
import { randomBlob } from "../../_support/blob_source.ts";
import { ROOT, run } from "../../_support/process.ts";
import { posixTest, rootTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { runWithoutUmask } from "../../_support/umask.ts";
import {
  assertUntouched,
  OTHER_USER,
  PLANTED_DIRECTORIES,
  PLANTED_FILES,
  plantedTest,
} from "../_planted.ts";

const { descriptor, bytes } = randomBlob(100_000);
const NAME = digestHex(descriptor.digest);
const TAG = "example.com/a:1";

/** All directories of a store, the root first. */
const FOLDERS = [
  "blobs",
  "blobs/sha256",
  "ingest",
  "locks",
  "verified",
  "bundles",
  "chains",
  "containers",
  "tarballs",
  "tarballs/sha256",
  "tarballs/verified",
  "locks/holds",
  "quarantine",
];

/** A store with one image, and an empty directory next to it. */
async function makeStore() {
  const directory = await makeTempDir();
  const [path, aside] = [directory.join("store"), directory.join("aside")];
  await Deno.mkdir(aside);
  const store = await ContentStore.open(path);
  await store.putBytes(descriptor, bytes);
  await store.tag(TAG, descriptor);
  return { path, aside, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

/** Stores and names a blob, as a command does. */
async function use(path: string): Promise<void> {
  const store = await ContentStore.open(path);
  const other = randomBlob(100);
  await store.putBytes(other.descriptor, other.bytes);
  await store.tag("example.com/b:1", other.descriptor);
}

for (const folder of FOLDERS) {
  plantedTest(
    PLANTED_DIRECTORIES,
    (what) => `ContentStore.open() rejects ${what} at ${folder}`,
    async ({ plant }) => {
      await using test = await makeStore();
      const path = `${test.path}/${folder}`;
      await Deno.mkdir(path, { recursive: true });
      await Deno.remove(path, { recursive: true });
      await plant(path, test.aside);

      const error = await assertRejects(() => use(test.path), UntrustedStoreError);

      assertEquals(error.path, path);
      await assertUntouched(test.aside);
    },
  );
}

for (const name of ["oci-layout", "index.json"]) {
  plantedTest(
    PLANTED_FILES,
    (what) => `ContentStore rejects ${what} at ${name}`,
    async ({ plant }) => {
      await using test = await makeStore();
      await Deno.remove(`${test.path}/${name}`);
      await plant(`${test.path}/${name}`, test.aside);

      const error = await assertRejects(() => use(test.path), StoreFileError);

      assertEquals(error.path, `${test.path}/${name}`);
      await assertUntouched(test.aside);
    },
  );
}

Deno.test.each(["null", "[]", "7", "{", "\0\0", '{"manifests":{}}', '{"manifests":[null]}'])(
  "ContentStore.references() rejects %s as index.json, with the path",
  async (text) => {
    await using test = await makeStore();
    await Deno.writeTextFile(`${test.path}/index.json`, text);
    const store = await ContentStore.open(test.path);

    const error = await assertRejects(() => store.references(), StoreError);

    assertEquals(error.path, `${test.path}/index.json`);
  },
);

Deno.test.each(["oci-layout", "index.json"])(
  "ContentStore rejects a sparse file of 1 TiB at %s",
  async (name) => {
    await using test = await makeStore();
    await Deno.truncate(`${test.path}/${name}`, 2 ** 40);

    await assertRejects(() => use(test.path), LimitError, name);
  },
);

plantedTest(
  PLANTED_FILES,
  (what) => `ContentStore.verify() hashes the blob again beside ${what} in place of its mark`,
  async ({ plant }) => {
    await using test = await makeStore();
    const mark = `${test.path}/verified/sha256-${NAME}`;
    await Deno.remove(mark);
    await plant(mark, test.aside);
    const store = await ContentStore.open(test.path);

    assertEquals(await store.verify(descriptor), true);

    await assertUntouched(test.aside);
    // The mark belongs to the user again, unless another user's directory is in its place.
    const { isFile, nlink, uid } = await Deno.lstat(mark);
    assert(isFile || await exists(mark, { isDirectory: true }));
    if (isFile) assertEquals([nlink, uid], [1, Deno.uid()]);
  },
);

for (const name of [`ingest/sha256-${NAME}.part`, "locks/index.lock"]) {
  plantedTest(
    PLANTED_FILES,
    (what) => `ContentStore writes to no ${what.replace(/^an? /, "")} at ${name.slice(0, 12)}…`,
    async ({ plant }) => {
      await using test = await makeStore();
      const store = await ContentStore.open(test.path);
      await Deno.remove(store.blobPath(descriptor.digest));
      await Deno.remove(`${test.path}/${name}`).catch(() => {});
      await plant(`${test.path}/${name}`, test.aside);
      const change = async () => {
        await store.putBytes(descriptor, bytes);
        await store.tag("example.com/b:1", descriptor);
      };

      // A file is replaced; anything else stays.
      if ((await Deno.lstat(`${test.path}/${name}`)).isFile) await change();
      else await assertRejects(change, StoreFileError, "Remove it");

      await assertUntouched(test.aside);
      if (!await store.has(descriptor)) return;
      const { nlink, uid, mode } = await Deno.lstat(store.blobPath(descriptor.digest));
      assertEquals([nlink, uid, (mode ?? 0) & 0o022], [1, Deno.uid(), 0]);
      assertEquals(await store.readBlob(descriptor), bytes);
    },
  );
}

posixTest(
  "ContentStore.open() rejects a store that everybody can write to, with that reason",
  async () => {
    await using test = await makeStore();
    await Deno.chmod(test.path, 0o777);

    const error = await assertRejects(() => ContentStore.open(test.path), UntrustedStoreError);

    assertEquals([error.fault, error.mode], ["writable", 0o777]);
    assertStringIncludes(error.message, "other users can write to it (mode 777)");
    assertStringIncludes(error.message, "chmod -R go-w");
  },
);

rootTest("ContentStore.open() rejects a store of another user, and names the owner", async () => {
  await using test = await makeStore();
  await Deno.chown(test.path, OTHER_USER, OTHER_USER);

  const error = await assertRejects(() => ContentStore.open(test.path), UntrustedStoreError);

  assertEquals([error.fault, error.owner], ["owner", OTHER_USER]);
});

rootTest("ContentStore.open() rejects a store that a group can write to", async () => {
  await using test = await makeStore();
  await Deno.chown(test.path, 0, OTHER_USER);
  await Deno.chmod(test.path, 0o775);

  await assertRejects(() => ContentStore.open(test.path), UntrustedStoreError, "mode 775");
});

posixTest("ContentStore opens a store that a symlink leads to", async () => {
  await using test = await makeStore();
  const link = `${test.aside}/link`;
  await Deno.symlink(test.path, link);

  await use(link);

  assertEquals((await (await ContentStore.open(test.path)).references()).length, 2);
});

posixTest("ContentStore.open() rejects a dangling symlink, and names it", async () => {
  await using test = await makeStore();
  const link = `${test.aside}/link`;
  await Deno.symlink(`${test.aside}/made`, link);

  await assertRejects(
    () => use(link),
    UntrustedStoreError,
    `"${link}": it is a dangling symlink`,
  );

  assertEquals(await exists(`${test.aside}/made`), false);
});

posixTest("ContentStore accepts a sticky directory that everybody can write to", async () => {
  await using directory = await makeTempDir();
  await Deno.chmod(directory.path, 0o1777);

  await use(directory.path);
  await use(directory.path);
});

posixTest("ContentStore creates directories that only the user can write to", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("a/store");

  await runWithoutUmask(
    `import { ContentStore } from "./store/mod.ts";
    import { randomBlob } from "./tests/_support/blob_source.ts";
    const store = await ContentStore.open(Deno.args[0]);
    const { descriptor, bytes } = randomBlob(100);
    await store.putBytes(descriptor, bytes);
    await store.tag("example.com/b:1", descriptor);`,
    path,
  );

  for (const name of ["", "/blobs", "/blobs/sha256", "/index.json", "/oci-layout"]) {
    assertEquals(((await Deno.stat(`${path}${name}`)).mode ?? 0) & 0o022, 0, name);
  }
  await use(path);
});

posixTest("ContentStore reads a foreign layout with any owner and modes", async () => {
  await using test = await makeStore();
  await Deno.chmod(test.path, 0o777);
  await Deno.chmod(`${test.path}/index.json`, 0o666);
  await Deno.link(`${test.path}/index.json`, `${test.aside}/link`);
  if (Deno.uid() === 0) await Deno.chown(test.path, OTHER_USER, OTHER_USER);

  const layout = await ContentStore.open(test.path, { foreign: true });

  assertEquals((await layout.resolve(TAG))?.digest, descriptor.digest);
  assertEquals(await layout.readBlob(descriptor), bytes);
  await assertRejects(
    () => layout.tag("example.com/b:1", descriptor),
    StoreError,
    "opened for reading",
  );
});

posixTest("ContentStore does not trust the marks of a foreign layout", async () => {
  await using test = await makeStore();
  const path = `${test.path}/blobs/sha256/${NAME}`;
  const { atime, mtime } = await Deno.stat(path);
  await Deno.writeFile(path, bytes.toReversed());
  await Deno.utime(path, atime ?? 0, mtime ?? 0);
  const info = await Deno.stat(path);
  const stamp = `${info.size} ${info.mtime?.getTime()} ${info.ctime?.getTime()} ${info.ino}\n`;
  await Deno.writeTextFile(`${test.path}/verified/sha256-${NAME}`, stamp);

  const layout = await ContentStore.open(test.path, { foreign: true });

  await assertRejects(() => layout.verify(descriptor), Error, descriptor.digest);
});

rootTest("ContentStore of root can be read but not written by an ordinary user", async () => {
  await using test = await makeStore();
  // A strict umask would close it to other users.
  await run("chmod", ["-R", "go+rX", test.path.replace(/\/store$/, "")]);

  const child = await run(Deno.execPath(), [
    ...["run", "-A", "--no-check", `--config=${ROOT}/deno.json`],
    ...[`${ROOT}/tests/store/content/_read_as_user.ts`, test.path, TAG],
  ], { inheritEnv: true });

  assertEquals(child.code, 0, child.stderr);
  const expected = { uid: OTHER_USER, isIntact: true, written: "PermissionDenied" };
  assertEquals(JSON.parse(child.stdout), expected);
});

Deno.test("ContentStore can be created by many tasks at once", async () => {
  for (let round = 0; round < 5; round++) {
    await using directory = await makeTempDir();
    const path = directory.join("a/store");

    await Promise.all(Array.from({ length: 8 }, () => use(path)));

    const store = await ContentStore.open(path);
    assertEquals((await store.references()).length, 1);
  }
});
