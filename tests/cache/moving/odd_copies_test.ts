import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { copy } from "../../../mod.ts";
import { RegistryError } from "../../../registry/mod.ts";
import { digestOf } from "../../../spec/mod.ts";
import { toUint8Array } from "../../_support/bytes.ts";
import {
  blobOf,
  buildArtifact,
  buildImage,
  type BuildImageOptions,
  buildIndex,
  type Built,
  nestedIndex,
  withBlobs,
} from "../../_support/image.ts";
import { dockerRegistry, peerTest } from "../../_support/peers.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "./_pushed.ts";

function image(options: BuildImageOptions = {}): Built {
  return buildImage({ layers: [tar(file("a", "a")), tar(file("b", "b"))], ...options });
}

/** An image with a rewritten manifest. */
function rewritten(
  options: BuildImageOptions,
  change: (manifest: Record<"config" | "layers", unknown>, config: Uint8Array) => unknown,
): Built {
  const built = buildImage(options);
  const manifest = change(JSON.parse(new TextDecoder().decode(built.bytes)), built.config.bytes);
  const { descriptor: { mediaType } } = built;
  const blob = blobOf(mediaType, toUint8Array(JSON.stringify(manifest)));
  return withBlobs(blob, [built.config, ...built.layers]);
}

const FOREIGN = {
  mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  digest: digestOf(toUint8Array("elsewhere")),
  size: 9,
  urls: ["https://127.0.0.1:1/layer"],
};
const MANY = Array.from({ length: 130 }, (_, i) => tar(file(`f${i}`, String(i))));

const ODD: readonly { readonly what: string; readonly built: Built }[] = [
  { what: "nested indexes", built: nestedIndex(3, image()) },
  { what: "an index without entries", built: buildIndex([]) },
  {
    what: "an index with a subject",
    built: buildIndex([image()], { index: { subject: image().descriptor } }),
  },
  {
    what: "a foreign layer that is nowhere",
    built: rewritten({ mediaTypes: "docker" }, (manifest) => ({ ...manifest, layers: [FOREIGN] })),
  },
  {
    what: "a config descriptor with data",
    built: rewritten({ layers: [tar(file("a", "a"))] }, ({ config, ...rest }, bytes) => {
      return { ...rest, config: { ...config as object, data: new Uint8Array(bytes).toBase64() } };
    }),
  },
  {
    what: "unknown fields, and numbers that JSON.stringify() would change",
    built: (() => {
      const { bytes, descriptor: { mediaType }, blobs } = image({ manifest: { odd: "@" } });
      const text = new TextDecoder().decode(bytes).replace('"@"', '{"deep": [1.50, 1e3, null]}');
      return withBlobs(blobOf(mediaType, toUint8Array(text)), [...blobs.values()].slice(0, -1));
    })(),
  },
  { what: "130 layers", built: image({ layers: MANY }) },
  { what: "no layers", built: image({ layers: [] }) },
  {
    what: "empty layers",
    built: image({ layers: [tar(), { tar: new Uint8Array(), compression: "none" }] }),
  },
  { what: "the same layer three times", built: image({ layers: Array(3).fill(MANY[0]) }) },
  { what: "an empty blob", built: buildArtifact({ artifactType: "a/b", content: "" }) },
  { what: "zstd layers", built: image({ compression: "zstd" }) },
  { what: "digests by sha512", built: image({ algorithm: "sha512" }) },
  {
    what: "an index with a digest by sha512",
    built: buildIndex([image({ algorithm: "sha512" })], { algorithm: "sha512" }),
  },
];

Deno.test.each(ODD)(
  "copy() keeps the bytes of an image with $what, through every kind of place",
  async ({ built }) => {
    await using source = writableRegistry();
    await using target = writableRegistry();
    await using dir = await makeTempDir();
    using client = testClient();
    const { digest } = built.descriptor;
    const deep = `${source.host}/a/b/c/d/e/f/g/h:${"t".repeat(128)}`;
    const places = [
      `${source.host}/first:1`,
      deep,
      `oci-archive:${dir.join("a.tar")}:v1`,
      `oci:${dir.join("layout")}:v1`,
      `${target.host}/last:1`,
    ];
    await pushBuilt(source, "first:1", built);

    for (const [i, place] of places.slice(1).entries()) {
      const { descriptor } = await copy(places[i] ?? "", place, { client, store: dir.path });
      assertEquals(descriptor.digest, digest, place);
    }

    const response = await fetch(`http://${target.host}/v2/last/manifests/1`);
    assertEquals(await response.bytes(), built.bytes);
    assertEquals(response.headers.get("content-type"), built.descriptor.mediaType);
  },
);

Deno.test("copy() reports that a registry stores a tag under sha256 only", async () => {
  const built = image({ algorithm: "sha512" });
  await using source = writableRegistry();
  await using target = writableRegistry({
    // Registries before the parameter ignore it.
    interfere: (request, next) => next(new Request(request.url.replace("?tag=v1", ""), request)),
  });
  using client = testClient();
  await pushBuilt(source, "a:v1", built);

  await assertRejects(
    () => copy(`${source.host}/a:v1`, `${target.host}/b:v1`, { client }),
    RegistryError,
    "stored it as sha256:",
  );

  assertEquals((await source.content.resolve("a", "v1"))?.digest, built.descriptor.digest);
});

peerTest({
  name: "copy() reports at once that docker-registry rejects the URLs of a foreign layer",
  needs: ["docker-registry"],
}, async () => {
  const built = rewritten({ mediaTypes: "docker" }, (rest) => ({ ...rest, layers: [FOREIGN] }));
  await using source = writableRegistry();
  await using target = await dockerRegistry();
  using client = testClient();
  await pushBuilt(source, "a:v1", built);

  const error = await assertRejects(
    () => copy(`${source.host}/a:v1`, `${target.host}/b:v1`, { client }),
    RegistryError,
    "answered 500 MANIFEST_BLOB_UNKNOWN",
  );

  assertEquals(error.attempts, 1);
  assertStringIncludes(error.advice ?? "", "URLs of other servers");
});
