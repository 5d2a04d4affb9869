import { assertEquals, assertRejects } from "@std/assert";
import { pull, push } from "../../../mod.ts";
import { hostPlatform } from "../../../registry/mod.ts";
import { DigestMismatchError, formatPlatform, PlatformError } from "../../../spec/mod.ts";
import { ContentStore, copyNamed, LayoutContent, StoreError } from "../../../store/mod.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { memoryOf, pushBuilt } from "./_pushed.ts";

const HOST = formatPlatform(hostPlatform());
const BASE = tar(file("base", "shared by both"));
const HERE = buildImage({ layers: [BASE, tar(file("bin", "here"))], platform: HOST });
const OTHER = buildImage({ layers: [BASE, tar(file("bin", "s390x"))], platform: "linux/s390x" });
const INDEX = buildIndex([HERE, OTHER]);

async function makeScene() {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry());
  const directory = stack.use(await makeTempDir());
  const client = stack.use(testClient());
  const owned = stack.move();
  return {
    registry,
    client,
    store: directory.path,
    name: `${registry.host}/a/b:v1`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test("push() pushes an index that is complete", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  const content = new LayoutContent(await ContentStore.open(store));
  await copyNamed(await memoryOf(INDEX), content, INDEX.descriptor, name);

  const pushed = await push(name, undefined, { store, client });

  assertEquals(pushed.partialPlatform, undefined);
  assertEquals(pushed.descriptor, INDEX.descriptor);
  assertEquals((await registry.content.resolve("a/b", "v1"))?.digest, INDEX.descriptor.digest);
});

Deno.test("push() pushes the only stored platform of an incomplete index", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  await pushBuilt(registry, "a/b:v1", INDEX);
  await pull(name, { store, client });

  const pushed = await push(name, `${registry.host}/c/d:v1`, { store, client });

  assertEquals(pushed.partialPlatform, HOST);
  assertEquals(pushed.descriptor, HERE.descriptor);
  assertEquals((await registry.content.resolve("c/d", "v1"))?.digest, HERE.descriptor.digest);
});

const { os, architecture } = hostPlatform();
const VARIANT = buildImage({ layers: [tar(file("bin", "fast"))], platform: HOST });

Deno.test.each<{ what: string; entries: Parameters<typeof buildIndex>[0]; pulls: string[] }>([
  {
    what: "the variant that the store has",
    entries: [VARIANT, { built: HERE, descriptor: { platform: { os, architecture } } }],
    pulls: [`${os}/${architecture}`],
  },
  { what: "the only platform of the store", entries: [VARIANT, OTHER], pulls: ["linux/s390x"] },
])("push() pushes $what", async ({ entries, pulls }) => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  await pushBuilt(registry, "a/b:v1", buildIndex(entries));
  for (const platform of pulls) await pull(name, { store, client, platform });

  const pushed = await push(name, `${registry.host}/c/d:v1`, { store, client });

  assertEquals(pushed.partialPlatform, pulls[0]);
  assertEquals((await registry.content.resolve("c/d", "v1"))?.digest, pushed.descriptor.digest);
});

Deno.test("push() does not choose among several platforms for other machines", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  const riscv = buildImage({ layers: [BASE], platform: "linux/riscv64" });
  await pushBuilt(registry, "a/b:v1", buildIndex([HERE, OTHER, riscv]));
  for (const platform of ["linux/s390x", "linux/riscv64"]) {
    await pull(name, { store, client, platform });
  }

  await assertRejects(
    () => push(name, `${registry.host}/c/d:v1`, { store, client }),
    PlatformError,
    "it has linux/s390x, linux/riscv64",
  );
});

Deno.test("push() pushes an image although another one of the registry is damaged", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  const opened = await ContentStore.open(store);
  const content = new LayoutContent(opened);
  await copyNamed(await memoryOf(HERE), content, HERE.descriptor, name);
  const damaged = `${registry.host}/damaged:v1`;
  await copyNamed(await memoryOf(OTHER), content, OTHER.descriptor, damaged);
  const { digest, size } = OTHER.descriptor;
  await Deno.writeTextFile(opened.blobPath(digest), "x".repeat(size));

  await push(name, undefined, { store, client });

  assertEquals((await registry.content.resolve("a/b", "v1"))?.digest, HERE.descriptor.digest);
});

Deno.test("push() mounts blobs that images of the registry share", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  await pushBuilt(registry, "a/b:v1", HERE);
  await pull(name, { store, client });
  const stored = await ContentStore.open(store);
  await stored.tag(`${registry.host}/c/d:v1`, HERE.descriptor);
  registry.forget();

  await push(`${registry.host}/c/d:v1`, undefined, { store, client });

  const posts = registry.requests.filter(({ method }) => method === "POST");
  assertEquals(posts.map(({ status }) => status), [201, 201, 201]);
});

Deno.test("push() finds a name that another tool has written", async () => {
  await using scene = await makeScene();
  const { registry, client, store } = scene;
  const content = new LayoutContent(await ContentStore.open(store));
  await copyNamed(await memoryOf(HERE), content, HERE.descriptor, "app:1");

  await push("app:1", `${registry.host}/a/b:v1`, { store, client });

  assertEquals((await registry.content.resolve("a/b", "v1"))?.digest, HERE.descriptor.digest);
});

Deno.test("push() fails if the store lacks the image or a part of it", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;

  await assertRejects(() => push(name, undefined, { store, client }), StoreError, name);
  await pushBuilt(registry, "a/b:v1", INDEX);
  await pull(name, { store, client });
  await assertRejects(
    () => push(name, `${registry.host}/c/d`, { store, client, platforms: ["linux/s390x"] }),
    StoreError,
    "Cannot push linux/s390x of",
  );

  assertEquals(await registry.content.repositories(), ["a/b"]);
});

Deno.test("push() stores nothing if a blob in the store is damaged", async () => {
  await using scene = await makeScene();
  const { registry, client, store, name } = scene;
  await pushBuilt(registry, "a/b:v1", HERE);
  await pull(name, { store, client });
  const layer = HERE.layers[1]?.descriptor.digest ?? "sha256:";
  const stored = await ContentStore.open(store);
  const path = stored.blobPath(layer);
  await Deno.chmod(path, 0o600);
  const bytes = await Deno.readFile(path);
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  await Deno.writeFile(path, bytes);

  await using other = writableRegistry();
  await assertRejects(
    () => push(name, `${other.host}/x/y:v1`, { store, client }),
    DigestMismatchError,
    layer,
  );

  assertEquals(await other.content.resolve("x/y", "v1"), undefined);
});

Deno.test("push() calls the hooks of a copy, and stops with the signal's reason", async () => {
  await using scene = await makeScene();
  const { registry: { content }, client, store, name } = scene;
  const layout = new LayoutContent(await ContentStore.open(store));
  await copyNamed(await memoryOf(INDEX), layout, INDEX.descriptor, name);
  const called = { before: 0, after: 0, skipped: 0 };
  const hooks = {
    before: () => void called.before++,
    after: () => void called.after++,
    skipped: () => void called.skipped++,
  };
  const reason = new Error("enough");
  const signal = AbortSignal.abort(reason);

  const thrown = await assertRejects(() => push(name, undefined, { store, client, signal }));
  await push(name, undefined, { store, client, ...hooks });

  assertEquals(thrown, reason);
  const { size } = INDEX.blobs;
  assertEquals(called, { before: size, after: size, skipped: 0 });
  assertEquals((await content.resolve("a/b", "v1"))?.digest, INDEX.descriptor.digest);
});
