import { assert, assertEquals } from "@std/assert";
import { digestOf } from "../../../spec/mod.ts";
import { buildImage, buildIndex } from "../../_support/image.ts";
import { file, noise, tar } from "../../_support/tar.ts";
import { KINDS, makeRegistry } from "./_pushing.ts";

const image = buildImage({ layers: [tar(file("data", noise(50_000)))], compression: "none" });
const index = buildIndex([image, buildImage({ platform: "linux/arm64", layers: [noise(900, 1)] })]);
const bytes = noise(10_000, 7);
const digest = digestOf(bytes);

Deno.test.each(KINDS)("createRegistryHandler() takes an image into $kind", async ({ kind }) => {
  await using registry = await makeRegistry(kind);

  await registry.push("team/app", "v1", index);
  const manifest = await registry.send("GET", "/team/app/manifests/v1");
  const layer = image.layers[0]?.descriptor.digest;
  const blob = await registry.send("GET", `/team/app/blobs/${layer}`);
  const catalog = await registry.send("GET", "/_catalog");

  assertEquals(manifest.headers.get("docker-content-digest"), index.descriptor.digest);
  assertEquals(await manifest.bytes(), index.bytes);
  assertEquals(await blob.bytes(), image.layers[0]?.bytes);
  assertEquals(await catalog.json(), { repositories: ["team/app"] });
});

Deno.test.each(KINDS)(
  "createRegistryHandler() takes a blob in chunks into $kind",
  async ({ kind }) => {
    await using registry = await makeRegistry(kind);
    const begun = await registry.send("POST", "/a/blobs/uploads/");
    const path = begun.headers.get("location")?.slice("/v2".length) ?? "";

    const first = await registry.send("PATCH", path, {
      headers: { "content-range": "0-3999" },
      body: bytes.slice(0, 4000),
    });
    const wrong = await registry.send("PATCH", path, {
      headers: { "content-range": "5000-9999" },
      body: bytes.slice(5000),
    });
    const status = await registry.send("GET", path);
    const second = await registry.send("PATCH", path, { body: bytes.slice(4000, 9000) });
    const last = await registry.send("PUT", `${path}?digest=${digest}`, {
      headers: { "content-range": "9000-9999" },
      body: bytes.slice(9000),
    });
    const blob = await registry.send("GET", `/a/blobs/${digest}`);

    assertEquals([begun.status, begun.headers.get("range")], [202, "0-0"]);
    assertEquals([first.status, first.headers.get("range")], [202, "0-3999"]);
    assertEquals([wrong.status, wrong.headers.get("range")], [416, "0-3999"]);
    assertEquals([status.status, status.headers.get("range")], [204, "0-3999"]);
    assertEquals([second.status, second.headers.get("range")], [202, "0-8999"]);
    assertEquals([last.status, last.headers.get("location")], [201, `/v2/a/blobs/${digest}`]);
    assertEquals(await blob.bytes(), bytes);
    assert(begun.headers.get("docker-upload-uuid") !== null);
  },
);
