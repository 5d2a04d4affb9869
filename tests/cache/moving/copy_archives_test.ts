import { assert, assertEquals, assertRejects } from "@std/assert";
import { copy, push } from "../../../mod.ts";
import { hostPlatform } from "../../../registry/mod.ts";
import { DigestMismatchError, OCI_LAYER } from "../../../spec/mod.ts";
import { ArchiveError, ContentStore, ImageArchive, loadArchive } from "../../../store/mod.ts";
import { blobOf, buildArtifact, buildImage, buildIndex, withBlobs } from "../../_support/image.ts";
import { file, gzip, tar } from "../../_support/tar.ts";
import { makeTempDir, namesIn } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { ociArchive } from "../../store/archives/_archives.ts";
import { pushBuilt } from "./_pushed.ts";

const HOST = buildImage({ layers: [tar(file("bin", "host"))], platform: hostPlatform() });
const OTHER = buildImage({ layers: [tar(file("bin", "other"))], platform: "linux/s390x" });
const INDEX = buildIndex([HOST, OTHER]);

async function makeScene() {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry());
  const dir = stack.use(await makeTempDir());
  const client = stack.use(testClient());
  await pushBuilt(registry, "a/b:v1", INDEX);
  const owned = stack.move();
  return {
    registry,
    dir,
    options: { client, store: dir.join("store") },
    from: `${registry.host}/a/b:v1`,
    names: () => namesIn(dir.path),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("copy() copies from a registry through archives of each kind and back", async () => {
  await using scene = await makeScene();
  const { dir, from, options, registry } = scene;
  const archive = dir.join("a.tar");

  const out = await copy(from, `oci-archive:${archive}:h.io/a:1`, options);
  await Deno.writeFile(dir.join("a.tar.gz"), gzip(await Deno.readFile(archive)));
  const back = await copy(
    `oci-archive:${dir.join("a.tar.gz")}`,
    `${registry.host}/c/d:v1`,
    options,
  );
  const docker = await copy(from, `docker-archive:${dir.join("d.tar")}:app:1`, options);
  const layout = await copy(
    `docker-archive:${dir.join("d.tar")}:app:1`,
    `oci:${dir.join("layout")}:v1`,
    options,
  );

  assertEquals(out.target, `oci-archive:${archive}:h.io/a:1`);
  assertEquals(
    [out, back, docker, layout].map(({ descriptor }) => descriptor.digest),
    [INDEX, INDEX, HOST, HOST].map(({ descriptor }) => descriptor.digest),
  );
  assertEquals(
    (await registry.content.resolve("c/d", "v1"))?.digest,
    INDEX.descriptor.digest,
  );
  using opened = await ImageArchive.open(dir.join("d.tar"), { spoolDirectory: dir.path });
  assertEquals(opened.images.map(({ names: [name] }) => name), ["docker.io/library/app:1"]);
  assertEquals(await scene.names(), ["a.tar", "a.tar.gz", "d.tar", "layout", "store"]);
});

Deno.test("copy() finds an image by its index, and writes to none", async () => {
  await using scene = await makeScene();
  const { dir, options, registry } = scene;
  const [layout, docker] = [`oci:${dir.join("l")}`, `docker-archive:${dir.join("d.tar")}`];
  for (const [tag, image] of [["host", HOST], ["other", OTHER]] as const) {
    await pushBuilt(registry, `a/b:${tag}`, image);
    await copy(`${registry.host}/a/b:${tag}`, `${layout}:${tag}`, options);
  }
  await copy(`${layout}:host`, `${docker}:app:1`, options);

  const target = `oci:${dir.join("out")}`;
  const second = await copy(`${layout}:@1`, target, options);
  const first = await copy(`${docker}:@0`, target, options);

  assertEquals(second.descriptor.digest, OTHER.descriptor.digest);
  assertEquals(first.descriptor.digest, HOST.descriptor.digest);
  await assertRejects(() => copy(`${layout}:@2`, target, options), Error, 'not have "@2"');
  await assertRejects(() => copy(`${docker}:@1`, target, options), Error, 'not have "@1"');
  const write = () => copy(`${layout}:host`, `${target}:@0`, options);
  await assertRejects(write, SyntaxError, '"@0" is the index of an existing image');
});

Deno.test("copy() copies an artifact to an archive, and push() pushes an image of the store to one", async () => {
  await using scene = await makeScene();
  const { dir, options, registry } = scene;
  const artifact = buildArtifact({ artifactType: "application/x-thing", content: "thing" });
  await pushBuilt(registry, "thing:1", artifact);
  const path = dir.join("a.tar");

  await copy(`${registry.host}/thing:1`, `oci-archive:${path}:v1`, options);
  const store = await ContentStore.open(dir.join("store"));
  const [loaded] = await loadArchive(store, path);
  const pushed = await push("localhost/a:v1", `oci-archive:${dir.join("b.tar")}:v1`, options);

  assertEquals(loaded?.descriptor.digest, artifact.descriptor.digest);
  assertEquals(pushed.descriptor.digest, artifact.descriptor.digest);
});

Deno.test("copy() leaves no file if it fails, and none for a dry run", async () => {
  await using scene = await makeScene();
  const { dir, from, options, registry } = scene;
  const wrong = blobOf(OCI_LAYER, new Uint8Array(9));
  const bad = buildImage({ layers: [tar(file("a"))] });
  const layer = bad.layers[0]?.descriptor;
  assert(layer !== undefined);
  const lie = { descriptor: layer, bytes: wrong.bytes };
  const path = dir.join("bad.tar");
  await Deno.writeFile(path, ociArchive(withBlobs(bad, [bad.config, lie]), "v1"));

  await copy(from, `oci-archive:${dir.join("dry.tar")}:v1`, { ...options, dryRun: true });
  const error = await assertRejects(() => {
    return copy(`oci-archive:${path}`, `oci-archive:${dir.join("out.tar")}`, options);
  });
  assert(error instanceof DigestMismatchError || error instanceof ArchiveError, String(error));
  await assertRejects(() => {
    return copy(`oci-archive:${path}`, `${registry.host}/bad:1`, options);
  });

  assertEquals(await registry.content.resolve("bad", "1"), undefined);
  assertEquals(await scene.names(), ["bad.tar"]);
});
