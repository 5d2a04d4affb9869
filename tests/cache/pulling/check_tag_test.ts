import { assertEquals, assertRejects } from "@std/assert";
import { CachingPuller, LayoutHashCache, LayoutImageCache } from "../../../cache/mod.ts";
import { type ImagePullPolicy, NetworkError, parseReference } from "../../../registry/mod.ts";
import { PlatformError } from "../../../spec/mod.ts";
import { ContentStore } from "../../../store/mod.ts";
import { buildImage, buildIndex, type Built } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { FakeClient } from "./_fake_client.ts";

const IMAGE = buildImage({ config: { Cmd: ["1"] } });
const OTHER = buildImage({ config: { Cmd: ["2"] } });
const ARM64 = buildImage({ platform: "linux/arm64" });
const { digest: DIGEST } = IMAGE.descriptor;
const PINNED = parseReference(`example.com/a:1@${DIGEST}`);
const OFFLINE = new NetworkError("nobody listens", {
  action: "pull",
  url: "https://example.com/v2/",
  reason: "refused",
});

/** A puller with the image in its cache. */
async function openPuller(served: Built = IMAGE) {
  const dir = await makeTempDir();
  const store = await ContentStore.open(dir.path);
  const client = new FakeClient(IMAGE);
  const puller = new CachingPuller(new LayoutHashCache(store), new LayoutImageCache(store), client);
  await puller.image(PINNED, { platform: "linux/amd64" });
  client.calls.length = 0;
  client.serve(served);
  const warnings: string[] = [];
  return {
    client,
    puller,
    warnings,
    check: async (pullPolicy?: ImagePullPolicy, reference = PINNED) => {
      const { digest } = await puller.image(reference, {
        platform: "linux/amd64",
        pullPolicy,
        checkTag: true,
        onWarning: (message) => warnings.push(message),
      });
      return digest;
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("image() with checkTag requests the tag, and does not warn if it has not moved", async () => {
  await using scene = await openPuller();

  assertEquals(await scene.check(), DIGEST);

  assertEquals([scene.client.calls, scene.warnings], [["resolve"], []]);
});

Deno.test("image() with checkTag warns of a tag that has moved, and returns the digest", async () => {
  await using scene = await openPuller(OTHER);

  assertEquals(await scene.check(), DIGEST);

  assertEquals(scene.warnings, [
    `"example.com/a:1" now resolves to ${OTHER.descriptor.digest}, not ${DIGEST}`,
  ]);
});

Deno.test.each([
  { what: "has", entries: [OTHER, IMAGE], warned: false },
  { what: "does not have", entries: [OTHER], warned: true },
  { what: "is for another platform and does not have", entries: [ARM64], warned: true },
])("image() with checkTag warns of an index that $what the digest: $warned", async (shape) => {
  const index = buildIndex(shape.entries);
  await using scene = await openPuller(index);

  assertEquals(await scene.check(), DIGEST);

  const { digest } = index.descriptor;
  const warning = `"example.com/a:1" now resolves to ${digest}, not ${DIGEST}`;
  assertEquals(scene.warnings, shape.warned ? [warning] : []);
});

Deno.test("image() with checkTag warns if the registry does not respond", async () => {
  await using scene = await openPuller();
  scene.client.failure = OFFLINE;

  assertEquals(await scene.check(), DIGEST);

  assertEquals(scene.warnings.length, 1);
  assertEquals(scene.warnings[0]?.startsWith('Cannot check the tag of "example.com/a:1": '), true);
});

Deno.test("image() with checkTag sends no request with Never, or without a tag and a digest", async () => {
  await using scene = await openPuller(OTHER);
  const untagged = parseReference(`example.com/a@${DIGEST}`);

  await scene.check("Never");
  await scene.check(undefined, untagged);

  assertEquals([scene.client.calls, scene.warnings], [[], []]);
});

Deno.test("image() with strictPlatform refuses an image that is only for another platform", async () => {
  await using scene = await openPuller();
  const pull = (platform: string, strictPlatform: boolean, reference = PINNED) => {
    return scene.puller.image(reference, { platform, strictPlatform });
  };
  const unknown = parseReference("example.com/a:2");

  assertEquals((await pull("linux/amd64", true)).digest, DIGEST);
  assertEquals((await pull("linux/arm64", false)).digest, DIGEST);
  await assertRejects(() => pull("linux/arm64", true), PlatformError, "it has linux/amd64");
  scene.client.calls.length = 0;
  await assertRejects(() => pull("linux/arm64", true, unknown), PlatformError);

  // Its layers are not requested.
  assertEquals(scene.client.calls, ["image"]);
});

Deno.test("image() with checkTag finds an image for another platform in its index", async () => {
  const dir = await makeTempDir();
  await using _dir = dir;
  const store = await ContentStore.open(dir.path);
  const client = new FakeClient(ARM64);
  const puller = new CachingPuller(new LayoutHashCache(store), new LayoutImageCache(store), client);
  const pinned = parseReference(`example.com/a:1@${ARM64.descriptor.digest}`);
  await puller.image(pinned, { platform: "linux/amd64" });
  client.serve(buildIndex([ARM64]));
  const warnings: string[] = [];

  await puller.image(pinned, {
    platform: "linux/amd64",
    checkTag: true,
    onWarning: (message) => warnings.push(message),
  });

  assertEquals(warnings.filter((text) => text.includes("now resolves")), []);
});
