import { assertEquals } from "@std/assert";
import { copy } from "../../../mod.ts";
import { OCI_INDEX } from "../../../spec/mod.ts";
import { ContentStore, ImageArchive, loadArchive } from "../../../store/mod.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  jsonBlob,
} from "../../_support/image.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "./_pushed.ts";

const IMAGE = buildImage({ layers: [tar(file("a", "a"))] });
const SBOM = buildArtifact({ artifactType: "application/x.sbom", subject: IMAGE.descriptor });
const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: SBOM.descriptor });

/** A registry with an image, an SBOM of it, and a signature of the SBOM. */
async function makeScene() {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry());
  const dir = stack.use(await makeTempDir());
  const client = stack.use(testClient());
  await pushBuilt(registry, "a/b:v1", IMAGE);
  await pushBuilt(registry, "a/b:none", SBOM);
  await pushBuilt(registry, "a/b:none", SIGNATURE);
  const owned = stack.move();
  return {
    dir,
    from: `${registry.host}/a/b:v1`,
    to: `${registry.host}/c/d:v1`,
    options: { client, store: dir.join("store"), withReferrers: true },
    referrersOf: async ({ descriptor }: Built) => {
      const found = await registry.content.referrers("c/d", descriptor.digest);
      return found.map(({ artifactType }) => artifactType);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

Deno.test.each([
  { transport: "oci", name: ":v1", again: ":v1" },
  { transport: "oci", name: ":v1", again: "" },
  { transport: "oci", name: "", again: "" },
  { transport: "oci-archive", name: ":v1", again: ":v1" },
  { transport: "oci-archive", name: ":v1", again: "" },
  { transport: "oci-archive", name: "", again: "" },
  { transport: "docker-archive", name: ":app:v1", again: "" },
])(
  'copy() copies referrers to $transport under "$name" and back from "$again"',
  async ({ transport, name, again }) => {
    await using scene = await makeScene();
    const { dir, from, options, referrersOf, to } = scene;
    const place = `${transport}:${dir.join("place")}`;

    await copy(from, `${place}${name}`, options);
    const { descriptor } = await copy(`${place}${again}`, to, options);

    assertEquals(descriptor.digest, IMAGE.descriptor.digest);
    assertEquals(await referrersOf(IMAGE), ["application/x.sbom"]);
    assertEquals(await referrersOf(SBOM), ["application/x.sig"]);
  },
);

Deno.test("copy() copies the referrers that a layout lists under the tag for them", async () => {
  await using scene = await makeScene();
  const { dir, from, options, referrersOf, to } = scene;
  const path = dir.join("layout");
  await copy(from, `oci:${path}:v1`, options);
  const list = jsonBlob(OCI_INDEX, {
    schemaVersion: 2,
    mediaType: OCI_INDEX,
    manifests: [SBOM.descriptor],
  });
  const name = (text: string) => ({ "org.opencontainers.image.ref.name": text });
  const tag = IMAGE.descriptor.digest.replace(":", "-");
  const manifests = [
    { ...IMAGE.descriptor, annotations: name("v1") },
    { ...list.descriptor, annotations: name(tag) },
  ];
  await Deno.writeFile(`${path}/blobs/${list.descriptor.digest.replace(":", "/")}`, list.bytes);
  await Deno.writeTextFile(`${path}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));

  await copy(`oci:${path}:v1`, to, options);

  assertEquals(await referrersOf(IMAGE), ["application/x.sbom"]);
});

Deno.test("copy() ignores documents in a layout that cannot be read", async () => {
  await using scene = await makeScene();
  const { dir, from, options, referrersOf, to } = scene;
  const path = dir.join("layout");
  await copy(from, `oci:${path}:v1`, options);
  const odd = jsonBlob(OCI_INDEX, { schemaVersion: 1 });
  const index = JSON.parse(await Deno.readTextFile(`${path}/index.json`));
  index.manifests.unshift(odd.descriptor);
  await Deno.writeFile(`${path}/blobs/${odd.descriptor.digest.replace(":", "/")}`, odd.bytes);
  await Deno.writeTextFile(`${path}/index.json`, JSON.stringify(index));

  await copy(`oci:${path}:v1`, to, options);

  assertEquals(await referrersOf(IMAGE), ["application/x.sbom"]);
});

Deno.test("ImageArchiveWriter lists referrers after the images", async () => {
  await using scene = await makeScene();
  const { dir, from, options } = scene;
  const path = dir.join("a.tar");
  await copy(from, `oci-archive:${path}:v1`, options);

  using archive = await ImageArchive.open(path, { spoolDirectory: dir.path });
  const store = await ContentStore.open(dir.join("loaded"));
  const loaded = await loadArchive(store, path);

  const digests = [IMAGE, SBOM, SIGNATURE].map(({ descriptor }) => descriptor.digest);
  assertEquals(archive.images.map(({ descriptor }) => descriptor.digest), digests);
  assertEquals(archive.find(undefined).descriptor.digest, IMAGE.descriptor.digest);
  assertEquals(loaded.map(({ reference }) => reference?.tag), ["v1", undefined, undefined]);
});

Deno.test("ImageArchiveWriter does not list the referrers that an index leads to", async () => {
  await using registry = writableRegistry();
  await using dir = await makeTempDir();
  using client = testClient();
  await pushBuilt(registry, "a/b:v1", buildIndex([SBOM]));
  const path = dir.join("a.tar");

  await copy(`${registry.host}/a/b:v1`, `oci-archive:${path}`, { client, withReferrers: true });

  using archive = await ImageArchive.open(path, { spoolDirectory: dir.path });
  assertEquals(archive.images.length, 1);
});
