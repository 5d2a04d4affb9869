import { assertEquals, assertRejects } from "@std/assert";
import { pull } from "../../../mod.ts";
import { hostPlatform, NotFoundError } from "../../../registry/mod.ts";
import { formatPlatform, PlatformError } from "../../../spec/mod.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "../moving/_pushed.ts";

const { os, architecture } = hostPlatform();
const BASE = `${os}/${architecture}`;
const VARIANT = buildImage({
  layers: [tar(file("bin", "fast"))],
  platform: formatPlatform(hostPlatform()),
});
const PLAIN = buildImage({ layers: [tar(file("bin", "plain"))], platform: BASE });
const OTHER = buildImage({ layers: [tar(file("bin", "other"))], platform: "linux/s390x" });

Deno.test.each([
  { what: "an earlier variant", platform: BASE, warnings: 0 },
  { what: "another platform", platform: "linux/s390x", warnings: 1 },
])("pull() offline uses $what that the store has", async ({ platform, warnings }) => {
  await using registry = writableRegistry();
  await using directory = await makeTempDir();
  using client = testClient();
  const name = `${registry.host}/a/b:v1`;
  const store = directory.path;
  await pushBuilt(
    registry,
    "a/b:v1",
    buildIndex([VARIANT, { built: PLAIN, descriptor: { platform: { os, architecture } } }, OTHER]),
  );
  const pulled = await pull(name, { store, client, platform });
  const messages: string[] = [];

  const found = await pull(name, {
    store,
    client,
    pullPolicy: "Never",
    onWarning: (message) => messages.push(message),
  });
  const wanted = { store, client, pullPolicy: "Never", platform: "linux/mips64le" } as const;

  assertEquals(found.manifest.descriptor.digest, pulled.manifest.descriptor.digest);
  assertEquals(messages.length, warnings, messages.join("\n"));
  await assertRejects(() => pull(name, wanted), PlatformError);
});

Deno.test("pull() asks the registry for a platform that the stored image is not for", async () => {
  await using registry = writableRegistry();
  await using directory = await makeTempDir();
  using client = testClient();
  const name = `${registry.host}/a/b:v1`;
  const messages: string[] = [];
  const pullFor = async (platform: string) => {
    messages.length = 0;
    const onWarning = (message: string) => messages.push(message);
    const image = await pull(name, { store: directory.path, client, platform, onWarning });
    return image.manifest.descriptor.digest;
  };
  await pushBuilt(registry, "a/b:v1", OTHER);
  const other = OTHER.descriptor.digest;

  assertEquals(await pullFor("linux/s390x"), other);
  assertEquals(await pullFor(BASE), other);
  assertEquals(messages, [`"${name}" is for linux/s390x, not for ${BASE}`]);

  await pushBuilt(registry, "a/b:v1", buildIndex([OTHER, PLAIN]));
  assertEquals(await pullFor(BASE), PLAIN.descriptor.digest);
  assertEquals(messages, []);

  await assertRejects(() => pullFor("linux/mips64le"), PlatformError);
});

Deno.test.each([{ status: 404 }, { status: 403 }])(
  "pull() uses a stored image for another platform if the registry responds with $status",
  async ({ status }) => {
    let isGone = false;
    await using registry = writableRegistry({
      interfere: async (_, next) => isGone ? new Response(null, { status }) : await next(),
    });
    await using directory = await makeTempDir();
    using client = testClient();
    const name = `${registry.host}/a/b:v1`;
    const messages: string[] = [];
    const onWarning = (message: string) => messages.push(message);
    const options = { store: directory.path, client, onWarning };
    await pushBuilt(registry, "a/b:v1", OTHER);
    await pull(name, { ...options, platform: "linux/s390x" });
    isGone = true;

    const { digest } = await pull(name, { ...options, platform: BASE });

    assertEquals(digest, OTHER.descriptor.digest);
    assertEquals(messages.length, 2, messages.join("\n"));
    assertEquals(messages[0]?.startsWith("Using the image in the store: "), true);
  },
);

Deno.test("pull() uses no stored image for another platform if the right one has no layers", async () => {
  await using registry = writableRegistry({
    interfere: async ({ url }, next) => {
      const isLayer = PLAIN.layers.some(({ descriptor }) => url.endsWith(descriptor.digest));
      return isLayer ? new Response(null, { status: 404 }) : await next();
    },
  });
  await using directory = await makeTempDir();
  using client = testClient();
  const name = `${registry.host}/a/b:v1`;
  const options = { store: directory.path, client };
  await pushBuilt(registry, "a/b:v1", OTHER);
  await pull(name, { ...options, platform: "linux/s390x" });
  await pushBuilt(registry, "a/b:v1", buildIndex([OTHER, PLAIN]));

  await assertRejects(() => pull(name, { ...options, platform: BASE }), NotFoundError);
});
