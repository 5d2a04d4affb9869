import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, PlatformError } from "../../../mod.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { AMD64, ARM64, INDEX } from "../../_support/two_platforms.ts";
import { makeScene } from "./_copy_scene.ts";
import { pushBuilt } from "./_pushed.ts";

Deno.test("copy() copies the manifest for one platform", async () => {
  await using scene = await makeScene();

  const { descriptor } = await copy(scene.from, scene.to, {
    client: scene.client,
    platforms: ["linux/arm64"],
  });

  assertEquals(descriptor, ARM64.descriptor);
  assertEquals((await scene.has("v2"))?.digest, ARM64.descriptor.digest);
  assertEquals(await scene.has(AMD64.descriptor.digest), undefined);
});

Deno.test("copy() keeps a sparse index", async () => {
  await using scene = await makeScene();

  await copy(scene.from, scene.to, {
    client: scene.client,
    platforms: ["linux/arm64"],
    sparse: true,
  });

  assertEquals((await scene.has("v2"))?.digest, INDEX.descriptor.digest);
  assert(await scene.has(ARM64.descriptor.digest));
  assertEquals(await scene.has(AMD64.descriptor.digest), undefined);
});

Deno.test("copy() passes the platforms of a sparse index to the hook for successors", async () => {
  await using scene = await makeScene();
  const seen: string[][] = [];

  await copy(scene.from, scene.to, {
    client: scene.client,
    platforms: ["linux/arm64"],
    sparse: true,
    successors: (_node, successors) => {
      seen.push(successors.map(({ digest }) => digest));
      return successors;
    },
  });

  assertEquals(seen[0], [ARM64.descriptor.digest]);
});

Deno.test("copy() keeps only the platforms of a sparse index in nested indexes", async () => {
  await using scene = await makeScene();
  const s390x = buildImage({ platform: "linux/s390x" });
  await pushBuilt(scene.source, "a/b:nested", buildIndex([buildIndex([INDEX, s390x]), s390x]));

  await copy(`${scene.source.host}/a/b:nested`, scene.to, {
    client: scene.client,
    platforms: ["linux/arm64"],
    sparse: true,
  });

  assert(await scene.has(ARM64.descriptor.digest));
  assertEquals(await scene.has(AMD64.descriptor.digest), undefined);
  assertEquals(await scene.has(s390x.descriptor.digest), undefined);
});

Deno.test("copy() refuses several platforms without the index, and platforms that do not exist", async () => {
  await using scene = await makeScene();
  const { client } = scene;

  await assertRejects(
    () => copy(scene.from, scene.to, { client, platforms: ["linux/arm64", "linux/amd64"] }),
    RangeError,
    "sparse",
  );
  for (const sparse of [false, true]) {
    await assertRejects(
      () => copy(scene.from, scene.to, { client, platforms: ["linux/s390x"], sparse }),
      PlatformError,
    );
  }
  await pushBuilt(scene.source, "a/b:single", AMD64);
  await assertRejects(
    () => copy(`${scene.source.host}/a/b:single`, scene.to, { client, platforms: ["linux/arm64"] }),
    PlatformError,
  );
  assertEquals(await scene.target.content.repositories(), []);
});
