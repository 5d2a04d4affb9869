import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NotFoundError, RegistryError } from "../../../registry/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import { endless, type Fault, on, plain, respond } from "../../_support/faulty_registry.ts";
import { gzip, toUint8Array } from "../../_support/tar.ts";
import { makeScene, testClient } from "../_client.ts";
import { pages } from "./_pages.ts";

const TAGS = [{ tags: ["a", "b"] }, { tags: null }, { tags: ["c"] }];
const LINK = (page: number) => `</v2/a/b/tags/list?page=${page}>; rel="next"`;

Deno.test.each<{ what: string; link: (page: number, request: Request) => string }>([
  { what: "absolute paths", link: LINK },
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

Deno.test.each([
  { what: "a web page", fault: respond(200, { "content-type": "text/html" }, "<html>") },
  { what: "nothing", fault: respond(200) },
])("RemoteClient.tags() retries after $what in place of a list", async ({ fault }) => {
  await using scene = makeScene([
    on({ kind: "tags", times: 1 }, fault),
    on("tags", pages(TAGS, LINK)),
  ]);
  using client = testClient();

  assertEquals(await Array.fromAsync(client.tags(scene.reference)), ["a", "b", "c"]);
  await using broken = makeScene([on("tags", fault)]);
  await assertRejects(
    () => Array.fromAsync(client.tags(broken.reference)),
    RegistryError,
    "answered with a web page",
  );
});

/** Rejects the page size that the client requests. */
function refusePageSize(status: number, bodies: readonly unknown[]): Fault {
  const list = pages(bodies, LINK);
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

Deno.test.each(["a b", "", "a/b", "u@a", "a:99999"])(
  "RemoteClient refuses %j as the host of a registry",
  async (registry) => {
    using client = testClient();

    const calls = [
      () => Array.fromAsync(client.repositories(registry)),
      () => Array.fromAsync(client.tags({ registry, repository: "a" })),
      () => client.resolve({ registry, repository: "a", tag: "1" }),
    ];

    for (const call of calls) {
      const error = await assertRejects(
        call,
        TypeError,
        `Cannot use "${registry}" as a registry: `,
      );
      assertEquals("code" in error && error.code, "invalid-argument");
    }
  },
);

Deno.test("RemoteClient.repositories() reports a registry that does not list them", async () => {
  const body = '{"errors":[{"code":"NAME_UNKNOWN"}]}';
  await using scene = makeScene([on("catalog", respond(404, {}, body))]);
  using client = testClient();
  const { registry } = scene.reference;

  const { message, missing, advice } = await assertRejects(
    () => Array.fromAsync(client.repositories(registry)),
    NotFoundError,
  );

  assertStringIncludes(message, `${registry} does not have a list of repositories, or hides`);
  assertEquals([missing, advice], [undefined, "Check the name, or log in"]);
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
