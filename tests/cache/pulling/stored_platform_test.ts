import { assertEquals, assertRejects } from "@std/assert";
import { pull } from "../../../mod.ts";
import { hostPlatform } from "../../../registry/mod.ts";
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
