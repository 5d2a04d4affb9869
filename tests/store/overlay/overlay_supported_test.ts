import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { OverlayBundler, overlaySupported } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { testUnless } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { BASE, makeStore, overlayReason } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());

Deno.test("overlaySupported() returns the reason without FFI", async () => {
  await using directory = await makeTempDir();
  const module = new URL("../../../store/mod.ts", import.meta.url).href;
  const script = directory.join("supported.ts");
  await Deno.writeTextFile(
    script,
    `import { overlaySupported } from ${JSON.stringify(module)};
     console.log(JSON.stringify(await overlaySupported(${JSON.stringify(directory.path)})));`,
  );

  const { stdout } = await run(Deno.execPath(), [
    ...["run", "--no-prompt", `--config=${ROOT}/deno.json`, "--allow-read", "--allow-write"],
    script,
  ], { env: await denoEnvironment() });

  assertEquals(JSON.parse(stdout), { supported: false, reason: "it needs --allow-ffi" });
});

overlayTest("overlaySupported() returns the reason for a store on an overlay", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  await using bundle = await new OverlayBundler(test.store).bundle(image, "outer");

  const support = await overlaySupported(`${bundle.path}/rootfs/store`);

  assert(!support.supported);
  assertStringIncludes(support.reason, "is itself on an overlay file system");
});

Deno.test("overlaySupported() leaves nothing behind", async () => {
  await using test = await makeStore();

  const support = await overlaySupported(test.path);

  assert(support.supported || support.reason.length > 0);
  assertEquals([test.mounts(), await Array.fromAsync(Deno.readDir(test.path))], [[], []]);
});
