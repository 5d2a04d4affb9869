import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuthError, RegistryError } from "../../../registry/mod.ts";
import { redirectTarget } from "../../../registry/transport/redirect.ts";
import { on, redirect, redirectLoop, respond } from "../../_support/faulty_registry.ts";
import { makeScene, readAll, testClient } from "../_client.ts";
import { emptyResponse } from "../_response.ts";

Deno.test.each<{ status: 301 | 302 | 303 | 307 | 308 }>([
  { status: 301 },
  { status: 302 },
  { status: 303 },
  { status: 307 },
  { status: 308 },
])("RemoteClient follows a redirect with $status, even of a manifest", async ({ status }) => {
  await using cdn = makeScene();
  await using scene = makeScene([on({}, redirect(cdn.registry.url, { status }))]);
  using client = testClient();

  const { descriptor } = await client.document(scene.reference);
  const bytes = await readAll(await client.blob(scene.reference, cdn.blob.descriptor));

  assertEquals(descriptor, cdn.image.descriptor);
  assertEquals(bytes, cdn.blob.bytes);
});

Deno.test("RemoteClient advises to log in after a redirect to a login page", async () => {
  const page = respond(200, { "content-type": "text/html" }, "<html>");
  for (const path of ["/login?next=x", "/users/sign_in", "/oauth2/authorize"]) {
    await using scene = makeScene([
      on({ kind: ["manifest", "blob"] }, redirect(path, { status: 302 })),
      on("other", page),
    ]);
    using client = testClient();
    const reads = [
      () => client.document(scene.reference),
      async () => await readAll(await client.blob(scene.reference, scene.blob.descriptor)),
    ];

    for (const read of reads) {
      const error = await assertRejects(read, RegistryError, "answered with a login page");
      assertEquals(error.advice, "Log in to the registry, or check its name");
    }

    assertEquals(scene.registry.requests.length, 4);
  }
});

Deno.test("HttpResponse.webPageError() recognizes a login page by its address only", () => {
  const page = (path: string) => {
    const headers = { "content-type": "text/html" };
    return emptyResponse(new URL(`https://registry.example${path}`), 200, headers).webPageError();
  };

  assertEquals(page("/c/oidc/login").message.includes("answered with a login page"), true);
  // A gateway that fails sends a page for the image "oauth2-proxy" as well.
  for (const path of ["/v2/oauth2-proxy/manifests/1", "/mirror/v2/team/sso/blobs/sha256:1"]) {
    assertEquals(page(path).message.includes("answered with a web page"), true, path);
  }
});

Deno.test("RemoteClient reads from a proxy that changes 200 to 203", async () => {
  await using scene = makeScene([
    on({}, async (_, next) => {
      const answer = await next();
      return answer instanceof Response && answer.status === 200
        ? new Response(answer.body, { status: 203, headers: answer.headers })
        : answer;
    }),
  ]);
  using client = testClient();

  const { descriptor } = await client.document(scene.reference);
  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(descriptor, scene.image.descriptor);
  assertEquals(bytes, scene.blob.bytes);
});

Deno.test("RemoteClient follows 10 redirects, and no more", async () => {
  let hops = 0;
  let limit = 10;
  await using scene = makeScene([
    on("manifest", async (request, next) => {
      return hops++ < limit ? await redirect(`{path}?${hops}`)(request, next) : await next();
    }),
  ]);
  using client = testClient();

  await client.document(scene.reference);
  [hops, limit] = [0, 11];

  await assertRejects(
    () => client.document(scene.reference),
    RegistryError,
    "more than 10 redirects",
  );
});

Deno.test("RemoteClient ends a loop of redirects", async () => {
  await using scene = makeScene([on("blob", redirectLoop())]);
  using client = testClient();
  const stream = await client.blob(scene.reference, scene.blob.descriptor);

  await assertRejects(() => readAll(stream), RegistryError, "more than 10 redirects");

  assertEquals(scene.registry.requests.length, 11);
});

Deno.test.each([{ headers: {} }, { headers: { location: "https://[" } }])(
  "RemoteClient refuses a redirect to nowhere: $headers",
  async ({ headers }) => {
    await using scene = makeScene([on("manifest", respond(307, headers))]);
    using client = testClient();

    await assertRejects(
      () => client.document(scene.reference),
      RegistryError,
      "without a valid target",
    );
  },
);

const PUBLIC = "https://registry.example/v2/";

Deno.test.each<{ from: string; location: string; says: string }>([
  { from: PUBLIC, location: "http://cdn.example/x", says: "to plain HTTP" },
  { from: PUBLIC, location: "ftp://cdn.example/x", says: "to a ftp: address" },
  { from: PUBLIC, location: "file:///etc/passwd", says: "to a file: address" },
  { from: PUBLIC, location: "https://u:p@cdn.example/x", says: "contains a password" },
  { from: PUBLIC, location: "https://127.0.0.1/x", says: "private network" },
  { from: PUBLIC, location: "https://169.254.169.254/latest/meta-data", says: "private network" },
  { from: PUBLIC, location: "//localhost/x", says: "private network" },
  { from: PUBLIC, location: "https://[fd00::1]/x", says: "private network" },
])("redirectTarget() refuses $location", async ({ from, location, says }) => {
  const answer = emptyResponse(new URL(from), 307, { location });

  const error = await assertRejects(
    // deno-lint-ignore require-await
    async () => redirectTarget(answer, false),
    RegistryError,
    says,
  );

  assert(!error.message.includes("u:p"));
});

Deno.test.each<{ location: string; allowPrivate: false | "never"; option: string | undefined }>([
  { location: "https://10.0.0.1/", allowPrivate: false, option: "allowPrivateAddresses" },
  { location: "https://10.0.0.1/", allowPrivate: "never", option: undefined },
  // No option permits requests to addresses that serve credentials.
  { location: "https://169.254.169.254/", allowPrivate: false, option: undefined },
  { location: "https://[fd00:ec2::254]/", allowPrivate: false, option: undefined },
])("redirectTarget() names an option that permits $location: $option", async (row) => {
  const answer = emptyResponse(new URL(PUBLIC), 307, { location: row.location });

  const error = await assertRejects(
    // deno-lint-ignore require-await
    async () => redirectTarget(answer, row.allowPrivate),
    RegistryError,
  );

  assertEquals(error.option, row.option);
});

Deno.test.each<{ from: string; location: string; allowPrivate: boolean; target: string }>([
  { from: PUBLIC, location: "/y", allowPrivate: false, target: "https://registry.example/y" },
  { from: PUBLIC, location: "https://8.8.8.8/", allowPrivate: false, target: "https://8.8.8.8/" },
  { from: PUBLIC, location: "https://10.0.0.1/", allowPrivate: true, target: "https://10.0.0.1/" },
  {
    from: "http://registry.example/",
    location: "https://cdn.example/",
    allowPrivate: false,
    target: "https://cdn.example/",
  },
])("redirectTarget() accepts $location", ({ from, location, allowPrivate, target }) => {
  const answer = emptyResponse(new URL(from), 307, { location });

  assertEquals(redirectTarget(answer, allowPrivate).href, target);
});

Deno.test("RemoteClient advises to log in if a repository has moved to one without access", async () => {
  await using scene = makeScene([on("manifest", (request, next) => {
    const isMoved = new URL(request.url).pathname.includes("/c/d/");
    return isMoved ? respond(403)(request, next) : redirect("/v2/c/d/manifests/v1")(request, next);
  })]);
  using client = testClient();

  const error = await assertRejects(() => client.document(scene.reference), AuthError, "login");

  assertEquals([error.status, error.attempts, error.advice], [
    403,
    1,
    "Log in, or specify a credential",
  ]);
});
