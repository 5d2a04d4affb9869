import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { unpack } from "../../../cache/mod.ts";
import { formatReference, parseReference } from "../../../registry/mod.ts";
import { ContentStore, prune, StoreFileError } from "../../../store/mod.ts";
import { buildImage } from "../../_support/image.ts";
import "../../_support/native_backend.ts";
import { file, tar } from "../../_support/tar.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { FakeClient } from "./_fake_client.ts";

const BUILT = buildImage({ layers: [tar(file("a", "a"))] });
const REFERENCE = parseReference("a.example/b:1");

Deno.test("unpack() fetches an image again that is pruned after it was found", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("store");
  const client = new FakeClient(BUILT);
  const options = { store, client, platform: "linux/amd64" };
  await unpack(REFERENCE, directory.join("first"), options);
  // Another process removes the image while the registry says that it has not changed.
  const resolve = client.resolve.bind(client);
  client.resolve = async () => {
    const other = await ContentStore.open(store);
    await other.untag([formatReference(REFERENCE)]);
    await prune(other);
    return await resolve(REFERENCE);
  };

  await unpack(REFERENCE, directory.join("second"), { ...options, pullPolicy: "Always" });

  assertEquals(await Deno.readTextFile(directory.join("second", "a")), "a");
  assertEquals((await (await ContentStore.open(store)).references()).length, 1);
});

Deno.test("unpack() leaves no files if the config of the image cannot be stored", async () => {
  await using directory = await makeTempDir();
  const store = directory.join("store");
  const options = { store, client: new FakeClient(BUILT), platform: "linux/amd64" };
  const blob = `${store}/blobs/${BUILT.config.descriptor.digest.replace(":", "/")}`;
  await Deno.mkdir(blob, { recursive: true });

  const error = await assertRejects(
    () => unpack(REFERENCE, directory.join("out"), options),
    StoreFileError,
  );

  assertEquals([error.fault, error.advice], ["directory", "Remove it"]);
  assertStringIncludes(error.message, blob);
  const left = await Array.fromAsync(Deno.readDir(directory.path));
  assertEquals(left.map(({ name }) => name), ["store"]);
});

Deno.test("unpack() refuses a directory or a store without a name before it pulls", async () => {
  await using directory = await makeTempDir();
  const client = new FakeClient(BUILT);
  const store = directory.join("store");

  await assertRejects(() => unpack(REFERENCE, "", { store, client }), RangeError, '""');
  await assertRejects(
    () => unpack(REFERENCE, directory.join("out"), { store: "", client }),
    RangeError,
  );

  assertEquals(client.calls, []);
  assertEquals(await Array.fromAsync(Deno.readDir(directory.path)), []);
});
