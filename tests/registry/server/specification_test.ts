/**
 * Every endpoint of the distribution specification 1.1, with each status that it may answer.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import { OCI_INDEX, OCI_MANIFEST } from "../../../spec/mod.ts";
import { jsonBlob } from "../../_support/image.ts";
import { KINDS, makeRegistry } from "./_pushing.ts";
import {
  absent,
  absentImage,
  blob,
  fill,
  image,
  layer,
  orphan,
  sbom,
  type SpecifiedRequest,
} from "./_specified_content.ts";
import { UPLOAD_REQUESTS } from "./_specified_uploads.ts";

const { digest } = image.descriptor;
const OCI = { "content-type": OCI_MANIFEST };
const PUT = { end: "7a", method: "PUT", headers: OCI, body: image.bytes };

const REQUESTS: readonly SpecifiedRequest[] = [
  { end: "1", method: "GET", path: "/", status: 200 },

  {
    end: "2",
    method: "GET",
    path: `/a/blobs/${layer}`,
    status: 200,
    has: { "docker-content-digest": layer, "content-length": "2000" },
  },
  { end: "2", method: "HEAD", path: `/a/blobs/${layer}`, status: 200 },
  { end: "2", method: "GET", path: `/a/blobs/${absent}`, status: 404, code: "BLOB_UNKNOWN" },
  { end: "2", method: "HEAD", path: `/a/blobs/${absent}`, status: 404 },
  { end: "2", method: "GET", path: `/none/blobs/${layer}`, status: 404, code: "NAME_UNKNOWN" },

  {
    end: "3",
    method: "GET",
    path: "/a/manifests/v1",
    status: 200,
    has: { "docker-content-digest": digest, "content-type": OCI_MANIFEST },
  },
  { end: "3", method: "HEAD", path: `/a/manifests/${digest}`, status: 200 },
  { end: "3", method: "GET", path: "/a/manifests/v9", status: 404, code: "MANIFEST_UNKNOWN" },
  { end: "3", method: "HEAD", path: `/a/manifests/${absent}`, status: 404 },

  {
    ...PUT,
    path: "/a/manifests/v2",
    status: 201,
    has: { location: `/v2/a/manifests/${digest}`, "docker-content-digest": digest },
    then: ["GET", "/a/manifests/v2", 200],
  },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: { "content-type": `${OCI_MANIFEST}; charset=utf-8` },
    body: image.bytes,
    status: 201,
  },
  {
    end: "7a",
    method: "PUT",
    path: `/a/manifests/${orphan.descriptor.digest}`,
    headers: OCI,
    body: orphan.bytes,
    status: 201,
    has: { "oci-subject": absentImage.descriptor.digest },
    then: ["GET", `/a/manifests/${orphan.descriptor.digest}`, 200],
  },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: OCI,
    body: absentImage.bytes,
    status: 404,
    code: "MANIFEST_BLOB_UNKNOWN",
    then: ["GET", "/a/manifests/v2", 404],
  },
  { ...PUT, path: "/b/manifests/v1", status: 404, code: "MANIFEST_BLOB_UNKNOWN" },
  { ...PUT, path: `/a/manifests/${absent}`, status: 400, code: "DIGEST_INVALID" },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: { "content-type": OCI_INDEX },
    body: image.bytes,
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: OCI,
    body: "{",
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: OCI,
    body: jsonBlob(OCI_MANIFEST, {
      schemaVersion: 2,
      config: { ...image.config.descriptor, size: 1 },
      layers: [],
    }).bytes,
    status: 400,
    code: "MANIFEST_INVALID",
  },
  {
    end: "7a",
    method: "PUT",
    path: "/a/manifests/v2",
    headers: OCI,
    body: new Uint8Array(4 * 1024 * 1024 + 1),
    status: 413,
    code: "SIZE_INVALID",
  },
  { ...PUT, path: "/a/manifests/.v2", status: 400, code: "TAG_INVALID" },
  {
    ...PUT,
    end: "7b",
    path: `/a/manifests/${digest}?tag=1&tag=1.2`,
    status: 201,
    has: { "oci-tag": "1, 1.2" },
    then: ["GET", "/a/manifests/1.2", 200],
  },
  { ...PUT, end: "7b", path: `/a/manifests/${digest}?tag=-`, status: 400, code: "TAG_INVALID" },
  {
    ...PUT,
    end: "7b",
    path: `/a/manifests/${digest}?${Array.from({ length: 101 }, (_, i) => `tag=${i}`).join("&")}`,
    status: 414,
    code: "TAG_INVALID",
  },

  { end: "8a", method: "GET", path: "/a/tags/list", status: 200 },
  { end: "8a", method: "GET", path: "/none/tags/list", status: 404, code: "NAME_UNKNOWN" },
  { end: "8b", method: "GET", path: "/a/tags/list?n=1&last=u", status: 200 },

  {
    end: "9",
    method: "DELETE",
    path: "/a/manifests/v1",
    status: 202,
    then: ["GET", "/a/manifests/v1", 404],
  },
  {
    end: "9",
    method: "DELETE",
    path: "/a/manifests/v1",
    status: 202,
    then: ["GET", `/a/manifests/${digest}`, 200],
  },
  {
    end: "9",
    method: "DELETE",
    path: `/a/manifests/${digest}`,
    status: 202,
    then: ["GET", `/a/manifests/${digest}`, 404],
  },
  {
    end: "9",
    method: "DELETE",
    path: `/a/manifests/${digest}`,
    status: 202,
    then: ["GET", "/a/manifests/v1", 404],
  },
  { end: "9", method: "DELETE", path: "/a/manifests/v9", status: 404, code: "MANIFEST_UNKNOWN" },
  {
    end: "9",
    method: "DELETE",
    path: `/none/manifests/${digest}`,
    status: 404,
    code: "MANIFEST_UNKNOWN",
  },

  {
    end: "10",
    method: "DELETE",
    path: `/a/blobs/${layer}`,
    status: 202,
    then: ["GET", `/a/blobs/${layer}`, 404],
  },
  { end: "10", method: "DELETE", path: `/a/blobs/${absent}`, status: 404, code: "BLOB_UNKNOWN" },
  { end: "10", method: "DELETE", path: `/a/blobs/${digest}`, status: 404, code: "BLOB_UNKNOWN" },
  { end: "10", method: "PUT", path: `/a/blobs/${layer}`, status: 405, code: "UNSUPPORTED" },

  {
    end: "12a",
    method: "GET",
    path: `/a/referrers/${digest}`,
    status: 200,
    has: { "content-type": OCI_INDEX },
  },
  { end: "12a", method: "GET", path: `/none/referrers/${absent}`, status: 200 },
  { end: "12a", method: "GET", path: "/a/referrers/v1", status: 400, code: "DIGEST_INVALID" },
  {
    end: "12b",
    method: "GET",
    path: `/a/referrers/${digest}?artifactType=application/spdx%2Bjson`,
    status: 200,
    has: { "oci-filters-applied": "artifactType" },
  },
];

Deno.test.each(KINDS)(
  "createRegistryHandler() follows the specification in $kind",
  async (kind) => {
    const seen: unknown[] = [];
    const wanted: unknown[] = [];
    for (const row of [...REQUESTS, ...UPLOAD_REQUESTS]) {
      await using registry = await makeRegistry(kind.kind);
      await fill(registry);
      const begun = await registry.send("POST", "/a/blobs/uploads/");
      const upload = begun.headers.get("location")?.slice("/v2".length) ?? "";
      await registry.send("PATCH", upload, { body: blob.slice(0, 100) });
      const send = (method: string, path: string, init?: RequestInit) =>
        registry.send(method, path.replace("UPLOAD", upload), init);

      const { headers = {}, body = null } = row;
      const response = await send(row.method, row.path, { headers, body });
      const text = await response.text();
      const next = row.then && await send(row.then[0], row.then[1]);
      await next?.body?.cancel();

      const name = `end-${row.end} ${row.method} ${row.path}`;
      const has = Object.keys(row.has ?? {}).map((header) => [
        header,
        response.headers.get(header)?.replace(`/v2${upload}`, "UPLOAD"),
      ]);
      const code = row.code === undefined ? undefined : JSON.parse(text).errors[0].code;
      seen.push([name, response.status, code, has, next?.status]);
      wanted.push([name, row.status, row.code, Object.entries(row.has ?? {}), row.then?.[2]]);
    }

    assertEquals(seen, wanted);
  },
);

Deno.test.each(KINDS)("createRegistryHandler() lists referrers in $kind", async ({ kind }) => {
  await using registry = await makeRegistry(kind);
  await fill(registry);

  const all = await registry.send("GET", `/a/referrers/${digest}`);
  const none = await registry.send("GET", `/a/referrers/${digest}?artifactType=application/none`);

  const { mediaType, size } = sbom.descriptor;
  assertEquals((await all.json()).manifests, [
    { mediaType, size, digest: sbom.descriptor.digest, artifactType: "application/spdx+json" },
  ]);
  assertEquals((await none.json()).manifests, []);
});

Deno.test.each(KINDS)(
  "createRegistryHandler() keeps bytes as pushed in $kind",
  async ({ kind }) => {
    await using registry = await makeRegistry(kind);
    await registry.pushBlob("a", image.config);
    const { descriptor } = image.config;
    // Unusual white space, order and members.
    const text = `{ "layers":[],\n"extra" : 1e2,"config": ${
      JSON.stringify(descriptor)
    },\t"schemaVersion": 2 }\n`;

    await registry.send("PUT", "/a/manifests/odd", { headers: OCI, body: text });
    const response = await registry.send("GET", "/a/manifests/odd");

    assertEquals(response.headers.get("content-type"), OCI_MANIFEST);
    assertEquals(await response.text(), text);
  },
);
