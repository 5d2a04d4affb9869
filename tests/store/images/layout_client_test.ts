import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { pull } from "../../../cache/mod.ts";
import { hostPlatform } from "../../../registry/host_platform.ts";
import { formatReference } from "../../../registry/mod.ts";
import { present } from "../../../spec/json.ts";
import {
  DigestMismatchError,
  digestOf,
  DOCKER_MANIFEST,
  OCI_INDEX,
  OCI_MANIFEST,
  PlatformError,
} from "../../../spec/mod.ts";
import { ContentStore, LayoutClient, StoreError } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { buildImage, buildIndex, type Built } from "../../_support/image.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

const AMD64 = buildImage({ layers: [noise(50_000, 1)], platform: "linux/amd64" });
const ARM64 = buildImage({ layers: [noise(50_000, 2)], platform: "linux/arm64" });
const INDEX = buildIndex([AMD64, ARM64]);
const REF_NAME = "org.opencontainers.image.ref.name";

Deno.test.each([
  { what: "the only image", name: undefined, entries: [entry(INDEX, "v1")] },
  { what: "a name", name: "v1", entries: [entry(AMD64, "v0"), entry(INDEX, "v1")] },
  { what: "an image without a name", name: undefined, entries: [entry(INDEX)] },
])("LayoutClient finds $what", async ({ name, entries }) => {
  await using layout = await layoutOf(entries);

  const client = await LayoutClient.open({ path: layout.path, ...present({ name }) });
  const image = await client.image(client.reference, { platform: "linux/arm64" });

  assertEquals(image.digest, INDEX.descriptor.digest);
  assertEquals(image.manifest.bytes, ARM64.bytes);
});

Deno.test("LayoutClient names an image by the first of its names", async () => {
  await using layout = await layoutOf([entry(AMD64, "a.io/b:1"), entry(AMD64, "a.io/b:2")]);

  const { reference } = await LayoutClient.open({ path: layout.path });

  assertEquals(formatReference(reference), "a.io/b:1");
});

Deno.test("LayoutClient counts entries that are not descriptors, and refuses them", async () => {
  const invalid = { ...entry(AMD64, "v0"), digest: "sha256:0" };
  await using layout = await layoutOf([invalid, entry(ARM64), entry(AMD64, "v1")]);
  const open = (name: string) => LayoutClient.open({ path: layout.path, name });

  const client = await open("@1");
  const { digest } = await client.resolve(client.reference);

  assertEquals(digest, ARM64.descriptor.digest);
  for (const name of ["@0", "v0"]) {
    const { code, message } = await assertRejects(() => open(name), StoreError);
    assertEquals(code, "no-image");
    assertMatch(message, new RegExp(`the entry "${name}" in index.json is not a valid descriptor`));
  }
});

Deno.test("LayoutClient says that a layout lacks a nondistributable layer", async () => {
  const { layers: [layer], ...rest } = buildImage({ layers: [noise(1_000, 3)] });
  if (layer === undefined) throw new Error("the image has a layer");
  const foreign = {
    ...layer.descriptor,
    mediaType: "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    urls: ["https://127.0.0.1:1/layer"],
  };
  const manifest = { ...JSON.parse(new TextDecoder().decode(rest.bytes)), layers: [foreign] };
  const bytes = new TextEncoder().encode(JSON.stringify(manifest));
  await using layout = await makeTempDir();
  const store = await ContentStore.open(layout.path);
  const { mediaType } = rest.descriptor;
  const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length };
  await store.putBytes(rest.config.descriptor, rest.config.bytes);
  await store.putBytes(descriptor, bytes);
  await store.tag("a.io/b:1", descriptor);
  const client = await LayoutClient.open({ path: layout.path });

  const error = await assertRejects(() => client.image(client.reference), StoreError);

  assertEquals([error.code, error.option], ["missing-content", "foreignLayers"]);
});

Deno.test("LayoutClient finds the digest of an index or of a manifest in it", async () => {
  await using layout = await layoutOf([entry(INDEX, "v1")]);
  const { digest } = ARM64.descriptor;

  const client = await LayoutClient.open({ path: layout.path, digest });
  const image = await client.image(client.reference);

  assertEquals([image.digest, image.indexes.length], [digest, 0]);
  assertEquals(client.reference.digest, digest);
});

Deno.test.each([
  { what: "a manifest as an index", entry: { ...entry(AMD64), mediaType: OCI_INDEX } },
  { what: "an index as a manifest", entry: { ...entry(INDEX), mediaType: OCI_MANIFEST } },
  {
    what: "an OCI manifest as one of Docker",
    entry: { ...entry(AMD64), mediaType: DOCKER_MANIFEST },
  },
])("LayoutClient refuses a layout that lists $what", async ({ entry }) => {
  await using layout = await layoutOf([entry]);
  const client = await LayoutClient.open({ path: layout.path });

  const problem = `must be "${entry.mediaType}", as its server or its descriptor states`;
  await assertRejects(async () => await client.image(client.reference), SyntaxError, problem);
});

Deno.test("LayoutClient refuses a layout that lists a manifest with another size", async () => {
  await using layout = await layoutOf([{ ...entry(AMD64), size: AMD64.descriptor.size + 1 }]);
  const client = await LayoutClient.open({ path: layout.path });

  await assertRejects(async () => await client.image(client.reference), DigestMismatchError);
});

Deno.test("LayoutClient chooses the platform among entries of one name", async () => {
  await using layout = await layoutOf([
    { ...entry(AMD64, "v1"), platform: AMD64.platform },
    { ...entry(ARM64, "v1"), platform: ARM64.platform },
  ]);
  const client = await LayoutClient.open({ path: layout.path, name: "v1" });

  const { digest } = await client.resolve(client.reference, { platform: "linux/arm64" });

  assertEquals(digest, ARM64.descriptor.digest);
  await assertRejects(
    async () => await client.image(client.reference, { platform: "linux/s390x" }),
    PlatformError,
  );
});

Deno.test("LayoutClient chooses the platform that a layout has, unless another is requested", async () => {
  const isArm = hostPlatform().architecture === "arm64";
  const [host, other] = isArm ? [ARM64, AMD64] : [AMD64, ARM64];
  await using layout = await layoutOf([entry(INDEX, "v1")]);
  await Deno.remove(`${layout.path}/blobs/${host.descriptor.digest.replace(":", "/")}`);
  const client = await LayoutClient.open({ path: layout.path });

  const image = await client.image(client.reference);

  assertEquals([image.digest, image.platform], [INDEX.descriptor.digest, other.platform]);
  await assertRejects(
    () => client.image(client.reference, { platform: host.platform }),
    StoreError,
    `it does not have ${host.descriptor.digest}`,
  );
  await assertRejects(
    () => client.image(client.reference, { strictPlatform: true }),
    PlatformError,
  );
});

Deno.test("LayoutClient warns of an image for another platform, or refuses it", async () => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  const client = await LayoutClient.open({ path: layout.path });
  const warnings: string[] = [];
  const read = (platform: string, strictPlatform: boolean) => {
    const onWarning = (message: string) => warnings.push(message);
    return client.image(client.reference, { platform, strictPlatform, onWarning });
  };

  assertEquals((await read("linux/amd64", true)).digest, AMD64.descriptor.digest);
  await assertRejects(() => read("linux/arm64", true), PlatformError, "it has linux/amd64");
  assertEquals(warnings, []);
  await read("linux/arm64", false);

  const name = formatReference(client.reference);
  assertEquals(warnings, [`"${name}" is for linux/amd64, not for linux/arm64`]);
});

Deno.test.each([
  { name: "docker.io/library/alpine:3", reference: "docker.io/library/alpine:3" },
  { name: "3.20", reference: "localhost/my-layout:3.20" },
  { name: "alpine", reference: "localhost/my-layout:alpine" },
  { name: "alpine:3.20", reference: "localhost/alpine:3.20" },
  { name: "team/app", reference: "localhost/team/app:latest" },
  { name: "a b", reference: "localhost/my-layout:latest" },
  { name: undefined, reference: "localhost/my-layout:latest" },
])("LayoutClient calls an image named $name $reference", async ({ name, reference }) => {
  await using layout = await layoutOf([entry(AMD64, name)], "My_Layout");

  const client = await LayoutClient.open({ path: layout.path });

  assertEquals(formatReference(client.reference), reference);
});

Deno.test.each([
  { what: "there is none", entries: [], source: {}, message: "it is empty" },
  {
    what: "there are several",
    entries: [entry(AMD64, "a"), entry(ARM64, "b")],
    source: {},
    message: "it has several images: a, b",
  },
  {
    what: "there are several, one without and one with two names",
    entries: [entry(AMD64, "a"), entry(AMD64), entry(AMD64, "b"), entry(ARM64)],
    source: {},
    message: "it has several images: a, @3",
  },
  {
    what: "no image has the name",
    entries: [entry(AMD64, "a")],
    source: { name: "c" },
    message: 'it does not have "c", only a',
  },
  {
    what: "no image has the digest",
    entries: [entry(AMD64, "a")],
    source: { digest: INDEX.descriptor.digest },
    message: `it does not have ${INDEX.descriptor.digest}`,
  },
])("LayoutClient.open() explains that $what", async ({ entries, source, message }) => {
  await using layout = await layoutOf(entries);
  await Deno.remove(blobPath(layout, INDEX));

  const error = await assertRejects(
    () => LayoutClient.open({ path: layout.path, ...source }),
    StoreError,
    message,
  );

  assertEquals(error.path, layout.path);
});

Deno.test("pull() copies an image from a layout again when it has changed", async () => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  await using directory = await makeTempDir();
  const options = { store: directory.path, platform: "linux/amd64" };

  const first = await pull(`oci:${layout.path}:v1`, options);
  await writeIndex(layout.path, [entry(INDEX, "v1")]);
  const second = await pull(`oci:${layout.path}:v1`, options);

  assertEquals(first.digest, AMD64.descriptor.digest);
  assertEquals(second.digest, INDEX.descriptor.digest);
  const store = await ContentStore.open(directory.path);
  assertEquals((await store.references()).length, 1);
  assertEquals(await store.readBlob(INDEX.descriptor), INDEX.bytes);
});

Deno.test("pull() rejects a layout whose blobs are symlinks", async () => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  await using directory = await makeTempDir();
  const [layer = AMD64] = AMD64.layers;
  const path = blobPath(layout, layer);
  await Deno.rename(path, `${layout.path}/secret`);
  await Deno.symlink(`${layout.path}/secret`, path);

  await assertRejects(
    () => pull(`oci:${layout.path}`, { store: directory.path, platform: "linux/amd64" }),
    StoreError,
    "as a file",
  );
});

Deno.test.each(["blobs", "blobs/sha256"])(
  "pull() rejects a layout whose %s is a symlink",
  async (name) => {
    await using layout = await layoutOf([entry(AMD64, "v1")]);
    await using directory = await makeTempDir();
    await Deno.rename(`${layout.path}/${name}`, `${layout.path}/elsewhere`);
    await Deno.symlink(`${layout.path}/elsewhere`, `${layout.path}/${name}`);

    await assertRejects(
      () => pull(`oci:${layout.path}`, { store: directory.path, platform: "linux/amd64" }),
      StoreError,
      `its directory "${name}" is a symbolic link`,
    );
  },
);

Deno.test.each([
  { what: "without a version file", text: undefined, problem: "it has no oci-layout file" },
  { what: "of a later version", text: '{"imageLayoutVersion":"2.0.0"}', problem: '"2.0.0"' },
  { what: "without a version", text: "{}", problem: "its oci-layout file has no version" },
])("pull() rejects a layout $what", async ({ text, problem }) => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  await using directory = await makeTempDir();
  const file = `${layout.path}/oci-layout`;
  if (text === undefined) await Deno.remove(file);
  else await Deno.writeTextFile(file, text);

  await assertRejects(
    () => pull(`oci:${layout.path}`, { store: directory.path, platform: "linux/amd64" }),
    StoreError,
    problem,
  );
});

Deno.test("pull() rejects a layout whose blobs have wrong bytes", async () => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  await using directory = await makeTempDir();
  const [layer = AMD64] = AMD64.layers;
  await Deno.writeFile(blobPath(layout, layer), new Uint8Array(layer.bytes.length));

  await assertRejects(
    () => pull(`oci:${layout.path}`, { store: directory.path, platform: "linux/amd64" }),
    DigestMismatchError,
  );

  assertEquals(await (await ContentStore.open(directory.path)).references(), []);
});

Deno.test("pull() does not change the layout", async () => {
  await using layout = await layoutOf([entry(AMD64, "v1")]);
  await using directory = await makeTempDir();

  await pull(`oci:${layout.path}`, { store: directory.path, platform: "linux/amd64" });

  const names = (await Array.fromAsync(Deno.readDir(layout.path))).map(({ name }) => name);
  assertEquals(names.sort(), ["blobs", "index.json", "oci-layout"]);
});

function entry({ descriptor }: Built, name?: string) {
  return name === undefined ? descriptor : { ...descriptor, annotations: { [REF_NAME]: name } };
}

function blobPath(
  layout: { readonly path: string },
  { descriptor: { digest } }: Built | { descriptor: Built["descriptor"] },
): string {
  return `${layout.path}/blobs/${digest.replace(":", "/")}`;
}

async function layoutOf(
  entries: readonly unknown[],
  name = "layout",
): Promise<{ readonly path: string } & AsyncDisposable> {
  const directory: TempDir = await makeTempDir();
  const path = directory.join(name);
  await Deno.mkdir(`${path}/blobs/sha256`, { recursive: true });
  for (const { descriptor, bytes } of INDEX.blobs.values()) {
    await Deno.writeFile(`${path}/blobs/${descriptor.digest.replace(":", "/")}`, bytes);
  }
  await Deno.writeTextFile(`${path}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  await writeIndex(path, entries);
  return { path, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}

async function writeIndex(path: string, manifests: readonly unknown[]): Promise<void> {
  await Deno.writeTextFile(`${path}/index.json`, JSON.stringify({ schemaVersion: 2, manifests }));
}
