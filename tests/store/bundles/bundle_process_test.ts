import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { OverlayBundler, removeBundle } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { denoEnvironment, kill, ROOT, run } from "../../_support/process.ts";
import { testUnless } from "../../_support/skip.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { BASE, makeStore, overlayReason, type TestStore } from "./_bundling.ts";

const CHILD = fromFileUrl(new URL("./_bundle_child.ts", import.meta.url));
const overlayTest = testUnless(await overlayReason());

/** Layers that take a while, one of which needs its parents. */
const LAYERS = [
  BASE,
  ...Array.from({ length: 8 }, (_, layer) =>
    tar(
      dir(`d${layer}`),
      ...Array.from({ length: 200 }, (_, i) => file(`d${layer}/f${i}`, `${i}`)),
    )),
  tar(file("etc/implied", "1")),
];

async function childArgs(test: TestStore, digest: string, id: string): Promise<string[]> {
  await denoEnvironment();
  return ["run", "-A", "--quiet", `--config=${ROOT}/deno.json`, CHILD, test.path, digest, id];
}

overlayTest("two processes extract a layer once, and bundle at once", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: LAYERS });
  const env = await denoEnvironment();

  const results = await Promise.all(
    ["a", "b", "c"].map(async (id) =>
      await run(Deno.execPath(), await childArgs(test, image.digest, id), { env })
    ),
  );

  for (const { code, stderr } of results) assertEquals([code, stderr], [0, ""]);
  assertEquals(test.mounts().length, 3);
  assertEquals((await test.list("chains")).length, 2 * LAYERS.length);
  for (const id of ["a", "b", "c"]) await removeBundle(test.path, `${test.path}/containers/${id}`);
  assertEquals(test.mounts(), []);
});

overlayTest("a killed bundler leaves nothing that blocks the next one", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: LAYERS });
  const env = await denoEnvironment();
  const bundler = new OverlayBundler(test.store);
  let interrupted = 0;

  for (const delayMs of [0, 3, 6, 10, 15, 20, 30, 40, 60, 80, 110, 150]) {
    const child = new Deno.Command(Deno.execPath(), {
      args: await childArgs(test, image.digest, "web"),
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const output = child.stdout.pipeThrough(new TextDecoderStream()).values();
    assertEquals((await output.next()).value, "begin\n");
    // The time need not be exact, but must differ in each round.
    const timer = setTimeout(() => kill(child, "SIGKILL"), delayMs);
    if ((await child.status).signal === "SIGKILL") interrupted++;
    clearTimeout(timer);
    await Array.fromAsync(output);

    // A complete bundle is removed as usual. The ID of an incomplete one can be used again.
    await removeIfComplete(test.path, `${test.path}/containers/web`);
    await using bundle = await bundler.bundle(image, "web");

    assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/d7/f199`), "199");
    assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/etc/implied`), "1");
    const names = await test.list("chains");
    assertEquals(names.filter((name) => name.includes(".new")), []);
    // The lock file of a layer that was completed just before the kill stays, but is not locked.
    const locks = (await test.list("locks")).filter((name) => name.startsWith("chain-"));
    const complete = names.map((name) => `chain-${name}.lock`);
    assertEquals(locks.filter((name) => !complete.includes(name)), []);
    await bundle.cleanup();
    assertEquals([test.mounts(), await test.list("containers")], [[], []]);
    assertEquals(await test.list("bundles"), []);
    await Deno.remove(`${test.path}/chains`, { recursive: true });
    for (const name of locks) await Deno.remove(`${test.path}/locks/${name}`);
  }

  assert(interrupted > 0, "no run was slow enough to be killed");
});

async function removeIfComplete(store: string, path: string): Promise<void> {
  try {
    await Deno.stat(`${path}/config.json`);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await removeBundle(store, path);
}
