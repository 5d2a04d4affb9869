import { assertEquals, assertRejects } from "@std/assert";
import {
  choosePlatformByConfig,
  type Descriptor,
  type Index,
  OCI_INDEX,
  parseManifest,
  parsePlatform,
  PlatformError,
} from "../../../spec/mod.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  nestedIndex,
} from "../../_support/image.ts";

const AMD64 = buildImage({ platform: "linux/amd64" });
const ARM64 = buildImage({ platform: "linux/arm64" });
const NO_PLATFORM = buildImage({ configBlob: { os: "", architecture: "" } });
const ARTIFACT = buildArtifact({ artifactType: "application/vnd.example" });

/** Chooses among images without platforms, and counts the reads. */
async function choose(text: string, entries: readonly (Built | Descriptor)[]) {
  const index: Index = {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: entries.map((entry) => "blobs" in entry ? entry.descriptor : entry),
  };
  const blobs = new Map(entries.flatMap((entry) => "blobs" in entry ? [...entry.blobs] : []));
  let reads = 0;
  const chosen = await choosePlatformByConfig(index, parsePlatform(text), {
    read: ({ digest }) => {
      reads++;
      return Promise.resolve(blobs.get(digest)?.bytes);
    },
  });
  return { digest: chosen.digest, reads };
}

Deno.test("choosePlatformByConfig() looks at configs if several entries have no platform", async () => {
  const entries = [ARTIFACT, AMD64, ARM64];

  assertEquals((await choose("linux/amd64", entries)).digest, AMD64.descriptor.digest);
  assertEquals((await choose("linux/arm64", entries)).digest, ARM64.descriptor.digest);
  const error = await assertRejects(() => choose("linux/s390x", entries), PlatformError);
  assertEquals(error.available.map(({ architecture }) => architecture), ["amd64", "arm64"]);
});

Deno.test("choosePlatformByConfig() skips an artifact with the config type of an image", async () => {
  // As in the signatures of cosign.
  const signature = buildImage({
    layers: [{ tar: new Uint8Array(), mediaType: "application/vnd.example" }],
    configBlob: { rootfs: null },
  });

  const { digest } = await choose("linux/amd64", [signature, AMD64]);

  assertEquals(digest, AMD64.descriptor.digest);
});

Deno.test("choosePlatformByConfig() reads nothing if an entry with a platform fits", async () => {
  const declared = { ...AMD64.descriptor, platform: AMD64.platform };

  assertEquals(await choose("linux/amd64", [ARM64, declared]), {
    digest: AMD64.descriptor.digest,
    reads: 0,
  });
  assertEquals(
    (await choose("linux/arm64", [ARM64, declared])).digest,
    ARM64.descriptor.digest,
  );
  await assertRejects(() => choose("linux/s390x", [ARM64, declared]), PlatformError);
});

Deno.test("choosePlatformByConfig() chooses the only entry, whatever its platform", async () => {
  assertEquals(await choose("linux/s390x", [AMD64]), {
    digest: AMD64.descriptor.digest,
    reads: 0,
  });
});

Deno.test("choosePlatformByConfig() chooses the one image whose config has no platform", async () => {
  const { digest } = NO_PLATFORM.descriptor;

  assertEquals((await choose("linux/s390x", [AMD64, NO_PLATFORM])).digest, digest);
  assertEquals((await choose("linux/amd64", [NO_PLATFORM, AMD64])).digest, AMD64.descriptor.digest);
  const other = buildImage({ configBlob: { os: "", architecture: "", author: "x" } });
  await assertRejects(() => choose("linux/s390x", [other, NO_PLATFORM]), PlatformError);
});

Deno.test("choosePlatformByConfig() looks into nested indexes, and skips missing ones", async () => {
  const [first, second] = [buildIndex([AMD64]), buildIndex([ARM64, ARTIFACT])];
  const missing = buildImage({ platform: "linux/arm64", configBlob: { author: "x" } }).descriptor;

  assertEquals(
    (await choose("linux/arm64", [missing, first, second])).digest,
    second.descriptor.digest,
  );
});

Deno.test("choosePlatformByConfig() reads a bounded number of configs", async () => {
  const many = Array.from(
    { length: 100 },
    (_, i) => buildImage({ configBlob: { author: `${i}` }, platform: "linux/arm64" }),
  );

  await assertRejects(() => choose("linux/amd64", many), PlatformError);
  const { reads } = await choose("linux/arm64", many);
  assertEquals(reads, 64);
  assertEquals(parseManifest(many[0]?.bytes ?? new Uint8Array()).kind, "manifest");
});

Deno.test("choosePlatformByConfig() reads a limited number of nested documents", async () => {
  const entry = { built: AMD64, descriptor: { platform: undefined } };
  const nested = nestedIndex(3, buildIndex(Array(20).fill(entry)), 20);

  const { digest, reads } = await choose("linux/amd64", [nested, ARTIFACT]);

  assertEquals({ digest, reads }, { digest: nested.descriptor.digest, reads: 512 });
});
