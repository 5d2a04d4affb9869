import { assertEquals } from "@std/assert";
import { listBundles, UncompressedBundler } from "../../../store/mod.ts";
import "../../_support/native_backend.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { BASE, makeStore } from "./_bundling.ts";

Deno.test("listBundles() lists a bundle whose container has a damaged note", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  const bundler = new UncompressedBundler(test.store);
  const { stateDirectory } = await bundler.bundle(image, "a");
  await bundler.bundle(image, "b");
  // As after a power failure.
  await Deno.mkdir(`${stateDirectory}/run-1`, { recursive: true });
  await Deno.writeTextFile(`${stateDirectory}/run-1/container.json`, "", { mode: 0o600 });

  const bundles = await listBundles(test.path);

  assertEquals(bundles.map(({ condition }) => condition), ["unknown", "kept"]);
});
