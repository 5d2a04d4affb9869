import { assert, assertEquals, assertRejects } from "@std/assert";
import { NotFoundError, RegistryError, RepositoryContent } from "../../../registry/mod.ts";
import { type Descriptor, digestHex, LimitError, OCI_INDEX } from "../../../spec/mod.ts";
import {
  endless,
  type Fault,
  on,
  plain,
  respond,
  withHeaders,
} from "../../_support/faulty_registry.ts";
import { buildArtifact, buildIndex } from "../../_support/image.ts";
import { gzip, toUint8Array } from "../../_support/tar.ts";
import { makeScene, type Scene, testClient } from "../_client.ts";

/** Answers each request of a list with its page; the header `link` leads from page to page. */
function pages(
  bodies: readonly unknown[],
  link: (page: number, request: Request) => string | undefined,
): Fault {
  return (request) => {
    const page = Number(new URL(request.url).searchParams.get("page") ?? 0);
    const next = link(page + 1, request);
    const body = JSON.stringify(bodies[page] ?? {});
    return plain(200, {
      "content-type": OCI_INDEX,
      ...page + 1 < bodies.length && next !== undefined ? { link: next } : {},
    }, body);
  };
}

const TAGS = [{ tags: ["a", "b"] }, { tags: null }, { tags: ["c"] }];

Deno.test.each<{ what: string; link: (page: number, request: Request) => string }>([
  { what: "absolute paths", link: (n) => `</v2/a/b/tags/list?page=${n}>; rel="next"` },
  { what: "relative links", link: (n) => `<list?page=${n}>; rel="next"` },
  { what: "queries", link: (n) => `<?page=${n}>; rel=next` },
  {
    what: "URLs",
    link: (n, { url }) => `<${new URL(`/v2/a/b/tags/list?page=${n}`, url)}>; rel="next"`,
  },
  {
    what: "URLs of a server behind a proxy",
    link: (n) => `<http://internal:8080/v2/a/b/tags/list?page=${n}>; rel="next"`,
  },
])("RemoteClient.tags() follows pages by $what", async ({ link }) => {
  await using scene = makeScene([on("tags", pages(TAGS, link))]);
  using client = testClient();

  assertEquals(await Array.fromAsync(client.tags(scene.reference)), ["a", "b", "c"]);
});

Deno.test("RemoteClient.tags() reads pages on demand", async () => {
  const link = (n: number) => `<?page=${n}>; rel=next`;
  await using scene = makeScene([on("tags", pages(TAGS, link))]);
  using client = testClient();

  for await (const tag of client.tags(scene.reference)) if (tag === "a") break;

  assertEquals(scene.registry.requests.length, 1);
});

Deno.test("RemoteClient.tags() refuses a list that links back to itself", async () => {
  const link = (n: number) => `<?page=${n % 2}>; rel=next`;
  await using scene = makeScene([on("tags", pages([...TAGS, ...TAGS], link))]);
  using client = testClient();

  await assertRejects(
    () => Array.fromAsync(client.tags(scene.reference)),
    RegistryError,
    "links a page of the list to itself",
  );
});

Deno.test.each([
  { body: "[]", says: "is not a valid list" },
  { body: "x", says: "is not a valid list" },
  { body: "{}", says: "is not a valid list" },
  { body: '{"tags":{"a":1}}', says: "is not a valid list" },
  { body: '{"tags":["a",1]}', says: "is not a valid list" },
  { body: '{"errors":[{"code":"UNKNOWN"}]}', says: "is not a valid list" },
])("RemoteClient.tags() fails on the page $body", async ({ body, says }) => {
  await using scene = makeScene([on("tags", respond(200, {}, body))]);
  using client = testClient();

  await assertRejects(() => Array.fromAsync(client.tags(scene.reference)), RegistryError, says);
});

/** Rejects the page size that the client requests. */
function refusePageSize(status: number, bodies: readonly unknown[]): Fault {
  const list = pages(bodies, (n) => `</v2/a/b/tags/list?page=${n}>; rel="next"`);
  return (request, next) => {
    const isSized = new URL(request.url).searchParams.has("n");
    return isSized ? plain(status, {}, '{"errors":[{"code":"UNSUPPORTED"}]}') : list(request, next);
  };
}

Deno.test.each([400, 405, 413, 422])(
  "RemoteClient.tags() omits the page size if it is rejected with %i",
  async (status) => {
    await using scene = makeScene([on("tags", refusePageSize(status, TAGS))]);
    using client = testClient();

    assertEquals(await Array.fromAsync(client.tags(scene.reference)), ["a", "b", "c"]);
  },
);

Deno.test("RemoteClient.tags() reports why a list is rejected even without a page size", async () => {
  await using scene = makeScene([on("tags", respond(400, {}, '{"message":"not here"}'))]);
  using client = testClient();

  await assertRejects(
    () => Array.fromAsync(client.tags(scene.reference)),
    RegistryError,
    "not here",
  );

  assertEquals(scene.registry.requests.length, 2);
});

Deno.test.each(['{"name":"a/b"}', '{"name":"a/b","tags":null}', '{"tags":null}'])(
  "RemoteClient.tags() reads %s as an empty list",
  async (body) => {
    await using scene = makeScene([on("tags", respond(200, {}, body))]);
    using client = testClient();

    assertEquals(await Array.fromAsync(client.tags(scene.reference)), []);
  },
);

Deno.test("RemoteClient.tags() omits entries that are not tags", async () => {
  // As Nexus and Artifactory do.
  const tags = ["v1", null, "", `sha256:${"0".repeat(64)}`, "v2"];
  await using scene = makeScene([on("tags", respond(200, {}, JSON.stringify({ tags })))]);
  using client = testClient();

  assertEquals(await Array.fromAsync(client.tags(scene.reference)), ["v1", "v2"]);
});

Deno.test("RemoteClient.tags() ends at a link to the first page", async () => {
  // As Cloudflare's registry links the last page of a catalog.
  const link = "http://registry.example/v2/a/b/tags/list?n=1000&last=; rel=next";
  await using scene = makeScene([on("tags", respond(200, { link }, '{"tags":["a","b"]}'))]);
  using client = testClient();

  assertEquals(await Array.fromAsync(client.tags(scene.reference)), ["a", "b"]);
  assertEquals(scene.registry.requests.length, 1);
});

Deno.test.each<{ tags: readonly string[] }>([{ tags: [] }, { tags: ["a"] }])(
  "RemoteClient.tags() ends after $tags if an empty page links to itself",
  async ({ tags }) => {
    const list: Fault = (request) => {
      const { search, searchParams } = new URL(request.url);
      const isLast = tags.length === 0 || searchParams.has("last");
      const link = `<${isLast ? search : "?last=a"}>; rel=next`;
      return plain(200, { link }, JSON.stringify({ tags: isLast ? null : tags }));
    };
    await using scene = makeScene([on("tags", list)]);
    using client = testClient();

    assertEquals(await Array.fromAsync(client.tags(scene.reference)), tags);
    assertEquals(scene.registry.requests.length, tags.length + 1);
  },
);

Deno.test("RemoteClient.tags() reads pages of many megabytes", async () => {
  const tags = Array.from({ length: 200_000 }, (_, i) => `tag-${"x".repeat(20)}-${i}`);
  await using scene = makeScene([on("tags", respond(200, {}, JSON.stringify({ tags })))]);
  using client = testClient();

  assertEquals((await Array.fromAsync(client.tags(scene.reference))).length, tags.length);
});

Deno.test.each([
  { link: '<https://elsewhere.example/list>; rel="next"', says: "links to a next page" },
  { link: "<?page=9>; rel=next", says: "(404, " },
])("RemoteClient.tags() yields the tags before the invalid link $link", async (row) => {
  await using scene = makeScene([
    on({ kind: "tags", path: /page=9/ }, respond(404)),
    on("tags", respond(200, { link: row.link }, '{"tags":["a","b"]}')),
  ]);
  using client = testClient();
  const listed: string[] = [];

  await assertRejects(
    async () => {
      for await (const tag of client.tags(scene.reference)) listed.push(tag);
    },
    RegistryError,
    row.says,
  );

  assertEquals(listed, ["a", "b"]);
});

Deno.test("RemoteClient.tags() does not read an endless page", async () => {
  await using scene = makeScene([on("tags", endless())]);
  using client = testClient();

  await assertRejects(() => Array.fromAsync(client.tags(scene.reference)), LimitError);
});

Deno.test("RemoteClient.tags() reports a missing repository", async () => {
  await using scene = makeScene();
  using client = testClient();
  const repository = { ...scene.reference, repository: "gone" };

  const error = await assertRejects(() => Array.fromAsync(client.tags(repository)), NotFoundError);

  assert(error.message.includes(`list the tags of "${scene.registry.host}/gone"`), error.message);
});

Deno.test("RemoteClient.tags() stops with the signal's reason", async () => {
  await using scene = makeScene();
  using client = testClient();
  const reason = new Error("enough");

  const error = await assertRejects(() =>
    Array.fromAsync(client.tags(scene.reference, { signal: AbortSignal.abort(reason) }))
  );

  assertEquals(error, reason);
});

const SIGNATURE = "application/x-signature";
const SBOM = "application/x-sbom";

/** Adds two artifacts that refer to the image of a scene, and returns their digests. */
function addReferrers(scene: Scene) {
  const subject = scene.image.descriptor;
  const signature = buildArtifact({ artifactType: SIGNATURE, subject });
  const sbom = buildArtifact({ artifactType: SBOM, subject });
  scene.content.add("a/b", undefined, signature).add("a/b", undefined, sbom);
  return { signature, sbom };
}

function digestsOf(descriptors: readonly Descriptor[]): readonly string[] {
  return descriptors.map(({ digest }) => digest).sort();
}

Deno.test("RemoteClient.referrers() lists the referrers of an image, all or of one type", async () => {
  await using scene = makeScene();
  using client = testClient();
  const { signature, sbom } = addReferrers(scene);
  const { digest } = scene.image.descriptor;

  const all = await client.referrers({ ...scene.reference, digest });
  const byTag = await client.referrers(scene.reference, { artifactType: SBOM });

  assertEquals(digestsOf(all), digestsOf([signature.descriptor, sbom.descriptor]));
  assertEquals(digestsOf(byTag), [sbom.descriptor.digest]);
  assertEquals(byTag[0]?.artifactType, SBOM);
});

function entry(n: number, artifactType: string): Descriptor {
  const digest = `sha256:${String(n).padStart(64, "0")}` as const;
  return { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, size: 1, artifactType };
}

function index(...manifests: readonly Descriptor[]) {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
}

Deno.test("RemoteClient.referrers() filters unless the registry has done so", async () => {
  const fault = pages([index(entry(1, SBOM), entry(2, SIGNATURE))], () => undefined);
  await using unfiltered = makeScene([on("referrers", fault)]);
  await using filtered = makeScene([
    on("referrers", withHeaders({ "oci-filters-applied": "artifactType" })),
    on("referrers", fault),
  ]);
  using client = testClient();

  const first = await client.referrers(unfiltered.reference, { artifactType: SBOM });
  const second = await client.referrers(filtered.reference, { artifactType: SBOM });

  assertEquals([first.length, second.length], [1, 2]);
});

Deno.test("RemoteClient.referrers() refuses an endless list of empty pages", async () => {
  let count = 0;
  await using scene = makeScene([
    on("referrers", () => {
      const link = ++count < 1_010 ? `<?page=${count}>; rel="next"` : "";
      return plain(200, { "content-type": OCI_INDEX, link }, JSON.stringify(index()));
    }),
  ]);
  using client = testClient();

  const error = await assertRejects(() => client.referrers(scene.reference), LimitError);

  assertEquals([error.limit, error.max, count], ["pages", 1_000, 1_000]);
});

Deno.test("RemoteClient.referrers() reads every page", async () => {
  const bodies = [index(entry(1, SBOM)), index(entry(2, SBOM)), index(entry(3, SBOM))];
  await using scene = makeScene([
    on("referrers", pages(bodies, (n) => `<?page=${n}>; rel="next"`)),
  ]);
  using client = testClient();

  assertEquals((await client.referrers(scene.reference)).length, 3);
});

Deno.test.each([
  ...[400, 404, 405, 406, 410, 501].map((status) => ({
    answer: String(status),
    fault: respond(status),
  })),
  { answer: "a page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
])(
  "RemoteClient.referrers() reads the fallback tag if the API answers $answer",
  async ({ fault }) => {
    await using scene = makeScene([on("referrers", fault)]);
    using client = testClient();
    const { signature, sbom } = addReferrers(scene);
    const other = buildArtifact({ artifactType: SBOM, subject: sbom.descriptor });
    const tag = `sha256-${digestHex(scene.image.descriptor.digest)}`;
    scene.content.add("a/b", tag, buildIndex([signature, sbom, other].map((built) => ({ built }))));

    const all = await client.referrers(scene.reference);
    const sboms = await client.referrers(scene.reference, { artifactType: SBOM });

    assertEquals(digestsOf(all), digestsOf([signature.descriptor, sbom.descriptor]));
    assertEquals(digestsOf(sboms), [sbom.descriptor.digest]);
  },
);

Deno.test("RemoteClient.referrers() returns none if there is no fallback tag", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();

  assertEquals(await client.referrers(scene.reference), []);
});

Deno.test("RemoteClient.referrers() does not treat the image as its own referrer", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();
  const multi = buildIndex([scene.image]);
  for (const built of [scene.image, multi]) {
    scene.content.add("a/b", `sha256-${digestHex(built.descriptor.digest)}`, built);
    const { digest } = built.descriptor;

    assertEquals(await client.referrers({ ...scene.reference, digest }), []);
  }
});

Deno.test("RemoteClient.referrers() fails if the registry fails", async () => {
  await using scene = makeScene([on("referrers", respond(500))]);
  using client = testClient({ retries: 0 });

  await assertRejects(() => client.referrers(scene.reference), RegistryError, "answered 500");
});

Deno.test("RemoteClient.referrers() keeps entries of unknown types in the fallback tag", async () => {
  await using scene = makeScene([on("referrers", respond(404))]);
  using client = testClient();
  const { signature, sbom } = addReferrers(scene);
  const tag = `sha256-${digestHex(scene.image.descriptor.digest)}`;
  const unknown = { ...entry(7, SBOM), mediaType: "application/vnd.oci.artifact.manifest.v1+json" };
  const list = buildIndex([signature, sbom].map((built) => ({ built })));
  const { manifests } = JSON.parse(new TextDecoder().decode(list.bytes));
  const bytes = new TextEncoder().encode(JSON.stringify(index(unknown, ...manifests)));
  scene.registry.add(on("manifest", async (request, next) => {
    if (!request.url.endsWith(tag)) return await next();
    return plain(200, { "content-type": OCI_INDEX }, bytes);
  }));

  const sboms = await client.referrers(scene.reference, { artifactType: SBOM });

  assertEquals(sboms.map(({ digest }) => digest), [unknown.digest, sbom.descriptor.digest]);
});

Deno.test("RepositoryContent.referrers() omits referrers of unknown types, and warns", async () => {
  const unknown = { ...entry(1, SBOM), mediaType: "application/x-unknown" };
  await using scene = makeScene([
    on("referrers", pages([index(unknown, entry(2, SBOM))], () => undefined)),
  ]);
  using client = testClient();
  const warnings: string[] = [];
  const onWarning = (message: string) => void warnings.push(message);
  const content = new RepositoryContent(client, scene.reference, { onWarning });

  const found = await content.referrers(scene.image.descriptor);

  assertEquals(digestsOf(found), [entry(2, SBOM).digest]);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes(`referrer ${unknown.digest}`), warnings[0]);
});

Deno.test("RemoteClient.tags() limits the size of all pages", async () => {
  const page = gzip(toUint8Array(`{"tags":["a"]${" ".repeat(30 * 1024 * 1024)}}`));
  const headers = { "content-encoding": "gzip" };
  let count = 0;
  await using scene = makeScene([
    on("tags", () => plain(200, { ...headers, link: `<?page=${++count}>; rel=next` }, page)),
  ]);
  using client = testClient();

  const error = await assertRejects(
    () => Array.fromAsync(client.tags(scene.reference)),
    LimitError,
  );
  assertEquals([error.limit, count], ["bytes", 3]);
});
