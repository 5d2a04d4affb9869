import { assertEquals, assertRejects } from "@std/assert";
import { exists } from "@std/fs";
import { basename } from "@std/path";
import { BundleDirectory } from "../../../store/bundles/_bundle_directory.ts";
import { BundleError, removeBundle, UncompressedBundler } from "../../../store/mod.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { BASE, makeStore } from "./_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { posixTest } from "../../_support/skip.ts";

Deno.test.each([
  { what: "an empty directory", files: {} },
  { what: "somebody else's files", files: { "config.json": "{}", "rootfs": "" } },
  { what: "another file of the name", files: { "oci-bundle.json": '{"mine":true}', "data": "" } },
  { what: "an empty file of the name", files: { "oci-bundle.json": "", "data": "" } },
  { what: "what is no JSON", files: { "oci-bundle.json": "{", "data": "" } },
])("removeBundle() does not touch $what", async ({ files }) => {
  await using directory = await makeTempDir();
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(directory.join(name), text);
  }

  await assertRejects(() => removeBundle(directory.path), BundleError, "it is no bundle");

  const names = await Array.fromAsync(Deno.readDir(directory.path), ({ name }) => name);
  assertEquals(names.sort(), Object.keys(files).sort());
});

Deno.test.each([
  { what: "a file", files: { "data": "mine" } },
  { what: "another file of its name", files: { "oci-bundle.json": '{"mine":true}' } },
])("bundleIn() does not touch a directory with $what", async ({ files }) => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const path = test.directory.join("mine");
  await Deno.mkdir(path);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${path}/${name}`, text);
  }

  const making = new UncompressedBundler(test.store).bundleIn(path, image);

  await assertRejects(() => making, BundleError, "it is not empty");
  for (const [name, text] of Object.entries(files)) {
    assertEquals(await Deno.readTextFile(`${path}/${name}`), text);
  }
});

Deno.test("removeBundle() says that there is none", async () => {
  await using directory = await makeTempDir();

  assertEquals(await removeBundle(directory.join("none")), false);
});

Deno.test("removeBundle() does not follow a link out of the bundle", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const { path } = await new UncompressedBundler(test.store).bundle(image, "a");
  const outside = test.directory.join("outside");
  await Deno.mkdir(outside);
  await Deno.symlink(outside, `${path}/rootfs/link`);

  await removeBundle(path);

  assertEquals((await Deno.stat(outside)).isDirectory, true);
});

Deno.test("removeBundle() refuses a bundle that is being made", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const { path } = await new UncompressedBundler(test.store).bundle(image, "a");
  using lock = await Deno.open(`${path}/oci-bundle.json`, { read: true, write: true });
  await lock.lock(true);

  await assertRejects(() => removeBundle(path), BundleError, "just now");

  assertEquals((await Deno.stat(`${path}/config.json`)).isFile, true);
});

Deno.test("removeBundle() goes on where another was killed", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const { path } = await new UncompressedBundler(test.store).bundle(image, "a");
  await Deno.remove(`${path}/config.json`);
  await Deno.remove(`${path}/rootfs/etc`, { recursive: true });

  assertEquals(await removeBundle(path), true);

  assertEquals(await test.list("containers"), []);
});

Deno.test("a bundler removes what a killed process left under a name of its own", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new UncompressedBundler(test.store);
  const make = async (id: string) => (await bundler.bundle(image, id)).path;
  const makeUnique = (name: string) => make(`${name}-${crypto.randomUUID()}`);
  const [dead, busy, begun] = [
    await makeUnique("dead"),
    await makeUnique("busy"),
    await makeUnique("begun"),
  ];
  const [complete, named] = [await makeUnique("complete"), await make("named")];
  for (const path of [dead, busy, begun, named]) await Deno.remove(`${path}/config.json`);
  await Deno.writeTextFile(`${begun}/oci-bundle.json`, "");
  using lock = await Deno.open(`${busy}/oci-bundle.json`, { read: true, write: true });
  await lock.lock(true);

  const made = await make("made");

  const left = [begun, busy, complete, made, named].map((path) => basename(path));
  assertEquals(await test.list("containers"), left);
});

Deno.test("a directory that is made and removed at once is never anything else", async () => {
  await using directory = await makeTempDir();
  const path = directory.join("bundle");
  const errors = new Set<string>();

  await Promise.all(Array.from({ length: 6 }, async () => {
    for (let i = 0; i < 200; i++) {
      try {
        using claimed = await BundleDirectory.claim(path);
        await claimed.remove();
      } catch (error) {
        errors.add((error as Error).message);
      }
    }
  }));

  assertEquals([...errors].filter((message) => !message.includes("just now")), []);
});

Deno.test("a bundle that is elsewhere is noted in the store while it is there", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const path = test.directory.join("elsewhere");
  const bundle = await new UncompressedBundler(test.store).bundleIn(path, image);
  const [note = ""] = await test.list("containers");

  const noted = await Deno.readTextFile(`${test.path}/containers/${note}`);

  assertEquals([note[0], noted], ["@", `${path}\n`]);
  await bundle.cleanup();
  assertEquals(await test.list("containers"), []);
});

posixTest("a bundle is its owner's alone", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });

  await using bundle = await new UncompressedBundler(test.store).bundle(image, "a");

  assertEquals((await Deno.stat(bundle.path)).mode, 0o40700);
});

Deno.test("a bundle that cannot be begun leaves nothing", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  await Deno.symlink("nowhere", `${test.path}/containers`);
  const path = test.directory.join("elsewhere");

  const making = new UncompressedBundler(test.store).bundleIn(path, image);

  await assertRejects(() => making);
  assertEquals(await exists(path), false);
});
