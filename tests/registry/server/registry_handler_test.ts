import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { createRegistryHandler } from "../../../registry/mod.ts";
import { digestOf, OCI_INDEX, OCI_MANIFEST } from "../../../spec/mod.ts";
import { buildArtifact, buildImage, buildIndex, MemoryContent } from "../../_support/image.ts";
import { file, noise, tar } from "../../_support/tar.ts";
import { contentWith } from "./_content.ts";

const layer = tar(file("data", noise(200_000)));
const image = buildImage({ layers: [layer], compression: "none" });
const index = buildIndex([image, buildImage({ platform: "linux/arm64", layers: [layer] })]);
const sbom = buildArtifact({ artifactType: "application/spdx+json", subject: image.descriptor });
const signature = buildArtifact({
  artifactType: "application/x-signature",
  subject: image.descriptor,
  annotations: { by: "me" },
});
const content = new MemoryContent()
  .add("team/app", "v1", image).add("team/app", "v2", index).add("team/app", "Beta", image)
  .add("team/app", undefined, sbom).add("team/app", undefined, signature)
  .add("other", "latest", image);
const handler = createRegistryHandler(content);
const { digest } = image.descriptor;
const blob = image.layers[0]?.descriptor.digest ?? digest;
const size = layer.length;
const absent = digestOf(new Uint8Array([1]));

function get(path: string, init?: RequestInit): Promise<Response> {
  return handler(new Request(`http://localhost${path}`, init));
}

Deno.test.each([
  { path: `/v2/`, type: "application/json" },
  { path: `/v2/team/app/manifests/v1`, type: OCI_MANIFEST, digest, bytes: image.bytes },
  { path: `/v2/team/app/manifests/${digest}`, type: OCI_MANIFEST, digest, bytes: image.bytes },
  {
    path: `/v2/team/app/manifests/v2`,
    type: OCI_INDEX,
    digest: index.descriptor.digest,
    bytes: index.bytes,
  },
  {
    path: `/v2/team/app/blobs/${blob}`,
    type: "application/octet-stream",
    digest: blob,
    bytes: layer,
  },
  {
    path: `/v2/team/app/blobs/${encodeURIComponent(blob)}`,
    type: "application/octet-stream",
    digest: blob,
    bytes: layer,
  },
  { path: `/v2/team/app/tags/list`, type: "application/json" },
  { path: `/v2/_catalog`, type: "application/json" },
  { path: `/v2/team/app/referrers/${digest}`, type: OCI_INDEX },
])("createRegistryHandler() answers GET and HEAD $path", async (expected) => {
  const full = await get(expected.path);
  const head = await get(expected.path, { method: "HEAD" });
  const body = await full.bytes();

  assertEquals([full.status, head.status], [200, 200]);
  assertEquals([...full.headers], [...head.headers]);
  assertEquals(full.headers.get("content-type"), expected.type);
  assertEquals(full.headers.get("content-length"), String(body.length));
  assertEquals(full.headers.get("docker-content-digest"), expected.digest ?? null);
  assertEquals(full.headers.get("docker-distribution-api-version"), "registry/2.0");
  if (expected.bytes) assertEquals(body, expected.bytes);
  assertEquals((await head.bytes()).length, 0);
});

Deno.test.each([
  { path: "/v2/nobody/manifests/v1", status: 404, code: "NAME_UNKNOWN" },
  { path: `/v2/nobody/blobs/${absent}`, status: 404, code: "NAME_UNKNOWN" },
  { path: "/v2/nobody/tags/list", status: 404, code: "NAME_UNKNOWN" },
  { path: "/v2/team/app/manifests/none", status: 404, code: "MANIFEST_UNKNOWN" },
  { path: "/v2/team/app/manifests/.INVALID_MANIFEST_NAME", status: 404, code: "MANIFEST_UNKNOWN" },
  { path: `/v2/team/app/manifests/${absent}`, status: 404, code: "MANIFEST_UNKNOWN" },
  { path: `/v2/team/app/blobs/${absent}`, status: 404, code: "BLOB_UNKNOWN" },
  { path: "/v2/team/app/blobs/sha256:abc", status: 400, code: "DIGEST_INVALID" },
  { path: "/v2/team/app/manifests/sha256:abc", status: 400, code: "DIGEST_INVALID" },
  { path: "/v2/team/app/referrers/v1", status: 400, code: "DIGEST_INVALID" },
  { path: "/v2/Team/app/manifests/v1", status: 400, code: "NAME_INVALID" },
  { path: "/v2/a/..%2Fb/tags/list", status: 400, code: "NAME_INVALID" },
  { path: `/v2/${"a".repeat(256)}/tags/list`, status: 400, code: "NAME_INVALID" },
  { path: "/v2/team/app/tags/list?n=-1", status: 400, code: "PAGINATION_NUMBER_INVALID" },
  { path: "/v2/team/app/tags/list?n=x", status: 400, code: "PAGINATION_NUMBER_INVALID" },
  { path: "/v2/team/app", status: 404, code: "UNSUPPORTED" },
  { path: "/v1/", status: 404, code: "UNSUPPORTED" },
  { path: "/v2/%ff/tags/list", status: 404, code: "UNSUPPORTED" },
])("createRegistryHandler() answers $status $code to $path", async ({ path, status, code }) => {
  const response = await get(path);

  assertEquals(response.status, status);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals((await response.json()).errors[0].code, code);
});

Deno.test.each([
  { method: "POST", path: "/v2/team/app/blobs/uploads/" },
  { method: "PUT", path: "/v2/team/app/manifests/v1" },
  { method: "PATCH", path: "/v2/team/app/blobs/uploads/x" },
  { method: "DELETE", path: `/v2/team/app/manifests/${digest}` },
])("createRegistryHandler() refuses $method $path", async ({ method, path }) => {
  const response = await get(path, { method });

  assertEquals(response.status, 405);
  assertEquals(response.headers.get("allow"), "GET, HEAD");
  assertEquals((await response.json()).errors[0].code, "UNSUPPORTED");
});

Deno.test.each([
  { range: "bytes=0-0", from: 0, to: 1 },
  { range: "bytes=10-19", from: 10, to: 20 },
  { range: "bytes=100000-", from: 100_000, to: size },
  { range: "bytes=-7", from: size - 7, to: size },
  { range: `bytes=-${size + 9}`, from: 0, to: size },
  { range: `bytes=5-${size + 9}`, from: 5, to: size },
  { range: `BYTES=${size - 1}-`, from: size - 1, to: size },
])("createRegistryHandler() serves $range of a blob", async ({ range, from, to }) => {
  const response = await get(`/v2/team/app/blobs/${blob}`, { headers: { range } });

  assertEquals(response.status, 206);
  assertEquals(response.headers.get("content-range"), `bytes ${from}-${to - 1}/${size}`);
  assertEquals(response.headers.get("content-length"), String(to - from));
  assertEquals(await response.bytes(), layer.slice(from, to));
});

Deno.test.each([
  { headers: { range: "bytes=-" } },
  { headers: { range: "bytes=a-b" } },
  { headers: { range: "lines=0-1" } },
  { headers: { range: "bytes=0-1,4-5" } },
  { headers: { range: "bytes=0-1", "if-range": '"another"' } },
  { headers: { range: "bytes=0-1", "if-range": "Mon, 23 Nov 2026 07:30:12 GMT" } },
])("createRegistryHandler() serves the whole blob for $headers", async ({ headers }) => {
  const init = { headers: headers as Record<string, string> };
  const response = await get(`/v2/team/app/blobs/${blob}`, init);

  assertEquals(response.status, 200);
  assertEquals(response.headers.get("accept-ranges"), "bytes");
  assertEquals((await response.bytes()).length, size);
});

Deno.test.each([
  { range: `bytes=${size}-` },
  { range: "bytes=999999999-" },
  { range: "bytes=-0" },
  // The conformance tests of the distribution specification expect 416 for this one too.
  { range: "bytes=5-4" },
])(
  "createRegistryHandler() answers 416 to $range",
  async ({ range }) => {
    const response = await get(`/v2/team/app/blobs/${blob}`, { headers: { range } });

    assertEquals(response.status, 416);
    assertEquals(response.headers.get("content-range"), `bytes */${size}`);
    assertEquals((await response.json()).errors[0].code, "RANGE_INVALID");
  },
);

Deno.test("createRegistryHandler() resumes a blob for If-Range with its entity tag", async () => {
  const headers = { range: "bytes=9-", "if-range": `"${blob}"` };

  const response = await get(`/v2/team/app/blobs/${blob}`, { headers });

  assertEquals(response.status, 206);
  assertEquals(await response.bytes(), layer.slice(9));
});

Deno.test.each([{ path: `manifests/v1`, tag: digest }, { path: `blobs/${blob}`, tag: blob }])(
  "createRegistryHandler() answers 304 for If-None-Match to $path",
  async ({ path, tag }) => {
    const headers = { "if-none-match": `"x", W/"${tag}"` };

    const response = await get(`/v2/team/app/${path}`, { headers });

    assertEquals(response.status, 304);
    assertEquals(response.headers.get("etag"), `"${tag}"`);
    assertEquals(response.body, null);
  },
);

Deno.test("createRegistryHandler() lists tags in lexical order, page by page", async () => {
  const pages: string[][] = [];
  let next: string | undefined = "/v2/team/app/tags/list?n=2";
  while (next !== undefined && pages.length < 10) {
    const response = await get(next);
    pages.push((await response.json()).tags);
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1];
  }

  assertEquals(pages, [["Beta", "v1"], ["v2"]]);
});

Deno.test.each([
  { query: "?n=0", tags: [], link: null },
  { query: "?n=&last=", tags: ["Beta", "v1", "v2"], link: null },
  { query: "?n=3", tags: ["Beta", "v1", "v2"], link: null },
  { query: "?last=v1", tags: ["v2"], link: null },
  { query: "?last=c&n=1", tags: ["v1"], link: '</v2/team/app/tags/list?last=v1&n=1>; rel="next"' },
  { query: "?last=z", tags: [], link: null },
])("createRegistryHandler() lists the tags of $query", async ({ query, tags, link }) => {
  const response = await get(`/v2/team/app/tags/list${query}`);

  assertEquals(response.headers.get("link"), link);
  assertEquals(await response.json(), { name: "team/app", tags });
});

Deno.test("createRegistryHandler() lists repositories, page by page", async () => {
  const first = await get("/v2/_catalog?n=1");
  const rest = await get("/v2/_catalog?n=5&last=other");

  assertEquals(await first.json(), { repositories: ["other"] });
  assertEquals(first.headers.get("link"), '</v2/_catalog?n=1&last=other>; rel="next"');
  assertEquals(await rest.json(), { repositories: ["team/app"] });
});

Deno.test("createRegistryHandler() lists referrers, and filters them", async () => {
  const all = await get(`/v2/team/app/referrers/${digest}`);
  const some = await get(
    `/v2/team/app/referrers/${digest}?artifactType=application%2Fspdx%2Bjson`,
  );
  const none = await get(`/v2/nobody/referrers/${digest}`);

  const { mediaType, manifests } = await all.json();
  assertEquals(mediaType, OCI_INDEX);
  assertEquals(
    manifests.map((item: { digest: string }) => item.digest),
    [sbom.descriptor.digest, signature.descriptor.digest],
  );
  assertEquals(manifests[1].annotations, { by: "me" });
  assertEquals(all.headers.get("oci-filters-applied"), null);
  assertEquals(some.headers.get("oci-filters-applied"), "artifactType");
  assertEquals((await some.json()).manifests, [manifests[0]]);
  assertEquals([none.status, (await none.json()).manifests], [200, []]);
});

Deno.test("createRegistryHandler() splits referrers that do not fit into an index", async () => {
  const many = Array.from({ length: 3 }, (_, i) => ({
    mediaType: OCI_MANIFEST,
    digest: digestOf(Uint8Array.of(i)),
    size: i,
    annotations: { note: "x".repeat(2_000_000) },
  }));
  const sorted = many.toSorted((a, b) => a.digest < b.digest ? -1 : 1);
  let present = many;
  const split = createRegistryHandler(
    contentWith({ referrers: () => Promise.resolve(present) }),
  );

  const first = await split(new Request(`http://localhost/v2/a/referrers/${digest}`));
  const link = /^<([^>]+)>/.exec(first.headers.get("link") ?? "")?.[1];
  const second = await split(new Request(`http://localhost${link}`));
  // The last item of the first page is deleted before the second one is requested.
  present = many.filter(({ digest }) => digest !== sorted[1]?.digest);
  const other = await split(new Request(`http://localhost${link}`));

  assertEquals((await first.json()).manifests, sorted.slice(0, 2));
  assertEquals((await second.json()).manifests, sorted.slice(2));
  assertEquals((await other.json()).manifests, sorted.slice(2));
  assertEquals(second.headers.get("link"), null);
});

Deno.test("createRegistryHandler() calls authenticate() before anything else", async () => {
  const guarded = createRegistryHandler(content, {
    authenticate: ({ headers }) =>
      headers.get("authorization") === "Bearer ok"
        ? undefined
        : new Response(null, { status: 401, headers: { "www-authenticate": "Bearer realm=x" } }),
  });
  const request = (authorization: string) =>
    new Request("http://localhost/v2/other/manifests/latest", { headers: { authorization } });

  const refused = await guarded(request("Bearer no"));
  const passed = await guarded(request("Bearer ok"));

  assertEquals([refused.status, passed.status], [401, 200]);
  assertEquals(refused.headers.get("www-authenticate"), "Bearer realm=x");
});

Deno.test("createRegistryHandler() calls onRequest() for every response", async () => {
  const seen: unknown[] = [];
  const watched = createRegistryHandler(content, { onRequest: (request) => seen.push(request) });

  await watched(new Request("http://localhost/v2/other/tags/list?n=1"));
  await watched(new Request("http://localhost/v2/other/manifests/none", { method: "HEAD" }));

  assertEquals(seen, [
    { method: "GET", path: "/v2/other/tags/list?n=1", status: 200 },
    { method: "HEAD", path: "/v2/other/manifests/none", status: 404 },
  ]);
});

Deno.test("createRegistryHandler() serves a repository under a name that is not listed", async () => {
  const second = createRegistryHandler(contentWith({ tags: () => Promise.resolve(["v1"]) }));

  const response = await second(new Request("http://localhost/v2/second/manifests/none"));

  assertEquals((await response.json()).errors[0].code, "MANIFEST_UNKNOWN");
});

Deno.test("createRegistryHandler() responds 500 without details if the content fails", async () => {
  const secret = new Error("disk /secret/path is gone");
  const errors: unknown[] = [];
  const broken = createRegistryHandler(contentWith({ resolve: () => Promise.reject(secret) }), {
    onError: (error) => errors.push(error),
  });

  const response = await broken(new Request("http://localhost/v2/a/manifests/b"));

  assertEquals(response.status, 500);
  assertEquals((await response.json()).errors[0].code, "UNKNOWN");
  assertEquals(errors, [secret]);
});

Deno.test("createRegistryHandler() answers 404 for a blob that disappears during the request", async () => {
  const racing = createRegistryHandler(contentWith({
    size: () => Promise.resolve(3),
    open: () => Promise.reject(new Deno.errors.NotFound("gone")),
  }));

  const response = await racing(new Request(`http://localhost/v2/a/blobs/${absent}`));

  assertEquals(response.status, 404);
  assertStringIncludes(await response.text(), "BLOB_UNKNOWN");
});

Deno.test("createRegistryHandler() cancels the source when the body is canceled", async () => {
  const canceled = Promise.withResolvers<unknown>();
  let pulls = 0;
  const endless = createRegistryHandler(contentWith({
    size: () => Promise.resolve(1e12),
    open: () =>
      Promise.resolve(
        new ReadableStream({
          pull(controller) {
            pulls++;
            controller.enqueue(new Uint8Array(1024));
          },
          cancel: canceled.resolve,
        }),
      ),
  }));

  const response = await endless(new Request(`http://localhost/v2/a/blobs/${absent}`));
  await response.body?.cancel("enough");

  assertEquals(await canceled.promise, "enough");
  assert(pulls <= 2, `nobody reads, yet ${pulls} chunks were made`);
});

Deno.test("createRegistryHandler() closes the body of a response if onRequest throws", async () => {
  const served = new MemoryContent().add("a/b", "v1", buildImage());
  let canceled = 0;
  const { open } = served;
  served.open = async (...args) => {
    const stream = await open.apply(served, args);
    const reader = stream.getReader();
    return new ReadableStream({
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: () => {
        canceled++;
        return reader.cancel();
      },
    });
  };
  await using throwing = createRegistryHandler(served, {
    onRequest: () => {
      throw new TypeError("thrown by the callback");
    },
  });

  const answer = throwing(new Request("http://localhost/v2/a/b/manifests/v1"));

  await assertRejects(() => answer, TypeError, "thrown by the callback");
  assertEquals(canceled, 1);
});
