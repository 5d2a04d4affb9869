import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AuthError,
  type ImagePullAuth,
  NetworkError,
  RegistryError,
} from "../../../registry/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import {
  drop,
  on,
  oversized,
  plain,
  redirect,
  respond,
  tokenAuth,
  truncated,
  withStatus,
} from "../../_support/faulty_registry.ts";
import { makeScene, testClient } from "../_client.ts";
import { LOGIN, tokenScene, USERS } from "./_token_scene.ts";

Deno.test("RemoteClient sends a user name and a password only to the token server", async () => {
  await using scene = tokenScene({ anonymous: false });
  using client = testClient();

  await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals(scene.auth.exchanges.map(({ user, account }) => ({ user, account })), [
    { user: "me", account: "me" },
  ]);
  const basic = scene.registry.requests.filter(({ headers }) =>
    headers.get("authorization")?.startsWith("Basic")
  );
  assertEquals(basic.map(({ kind }) => kind), ["token"]);
});

Deno.test("RemoteClient exchanges an identity token by POST", async () => {
  await using scene = tokenScene({ identityTokens: ["id"], anonymous: false });
  using client = testClient();

  await client.resolve(scene.reference, { auth: { identityToken: "id" } });

  assertEquals<unknown>(scene.auth.exchanges.map(({ method, form }) => ({ method, ...form })), [{
    method: "POST",
    grant_type: "refresh_token",
    refresh_token: "id",
    client_id: "oci",
    service: "registry.test",
    scope: "repository:a/b:pull",
  }]);
});

Deno.test("RemoteClient uses the identity token that replaces another one", async () => {
  await using scene = tokenScene({
    identityTokens: ["id"],
    replaceTokens: true,
    anonymous: false,
  });
  using client = testClient();
  const options = { auth: { identityToken: "id" } };
  const other = { ...scene.reference, repository: "c/d" };
  scene.content.add("c/d", "1", scene.image);

  // The exchanges for two repositories must not use the same token.
  await Promise.all([
    client.resolve(scene.reference, options),
    client.resolve({ ...other, tag: "1" }, options),
  ]);
  scene.auth.expire();
  await client.resolve(scene.reference, options);

  assertEquals(scene.auth.exchanges.map(({ form, status }) => [form.refresh_token, status]), [
    ["id", 200],
    ["id+", 200],
    ["id++", 200],
  ]);
});

Deno.test.each([404, 405])(
  "RemoteClient sends an identity token as a password if POST is answered with %i",
  async (status) => {
    const auth = tokenAuth({ users: { me: "id" }, anonymous: false });
    await using scene = makeScene([
      on({ kind: "token", method: "POST" }, respond(status)),
      on({}, auth.fault),
    ]);
    using client = testClient();

    await client.resolve(scene.reference, { auth: { username: "me", identityToken: "id" } });

    assertEquals(auth.exchanges.map(({ user }) => user), ["me"]);
  },
);

Deno.test("RemoteClient sends a registry token unchanged", async () => {
  await using scene = tokenScene({ registryTokens: ["given"], anonymous: false });
  using client = testClient();

  await client.resolve(scene.reference, { auth: { registryToken: "given" } });

  assertEquals(scene.auth.exchanges.length, 0);
});

Deno.test("RemoteClient does not quote a registry token that is invalid in a header", async () => {
  await using scene = tokenScene({ registryTokens: ["given"], anonymous: false });
  using client = testClient();

  const error = await assertRejects(
    () => client.resolve(scene.reference, { auth: { registryToken: "s3cret\nx" } }),
    TypeError,
    "line ends",
  );

  assert(!`${Deno.inspect(error)}`.includes("s3cret"));
});

Deno.test.each<{ member: "token" | "access_token" | "both" }>([
  { member: "token" },
  { member: "access_token" },
  { member: "both" },
])("RemoteClient finds the token in $member", async ({ member }) => {
  await using scene = tokenScene({ member });
  using client = testClient();

  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient follows the redirects of a token server", async () => {
  const auth = tokenAuth({ users: USERS, anonymous: false });
  const moved = on(
    { kind: "token", times: 1 },
    ({ url }) => plain(307, { location: `${url}&moved` }),
  );
  await using scene = makeScene([moved, on({}, auth.fault)]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals(digest, scene.image.descriptor.digest);
  assert(scene.registry.seen("token").at(-1)?.endsWith("&moved"));
  assertEquals(auth.exchanges.map(({ user }) => user), ["me"]);
});

Deno.test.each<{ how: string; auth: ImagePullAuth }>([
  { how: "password", auth: LOGIN },
  { how: "identity token", auth: { identityToken: "s3cret" } },
])("RemoteClient sends the $how to no target of a token server's redirect", async ({ auth }) => {
  await using elsewhere = makeScene([on({}, respond(200, {}, "{}"))]);
  const moved = on("token", redirect(`${elsewhere.registry.url}/token`));
  await using scene = makeScene([moved, on({}, tokenAuth({ users: USERS }).fault)]);
  using client = testClient();

  await assertRejects(() => client.resolve(scene.reference, { auth }), RegistryError, "no token");

  const [request] = elsewhere.registry.requests;
  assertEquals([request?.method, request?.headers.get("authorization")], ["GET", null]);
});

Deno.test.each([200, 201, 203])("RemoteClient accepts a token with status %i", async (status) => {
  const auth = tokenAuth();
  await using scene = makeScene([on("token", withStatus(status)), on({}, auth.fault)]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference);

  assertEquals(digest, scene.image.descriptor.digest);
});

Deno.test.each([
  { fault: truncated(5), error: RegistryError, says: "contains no token" },
  { fault: respond(200, {}, "{}"), error: RegistryError, says: "contains no token" },
  { fault: respond(200), error: RegistryError, says: "answered with a web page" },
  { fault: respond(200, {}, "[]"), error: RegistryError, says: "contains no token" },
  { fault: respond(200, {}, "null"), error: RegistryError, says: "contains no token" },
  { fault: respond(200, {}, '{"token":"a\\r\\nx: y"}'), error: RegistryError, says: "no token" },
  { fault: oversized(70_000), error: LimitError, says: "token bytes" },
  { fault: respond(418), error: AuthError, says: "the token server 127.0.0.1:" },
  { fault: respond(404), error: AuthError, says: "answered 404" },
  { fault: respond(501), error: RegistryError, says: "the token server 127.0.0.1:" },
  { fault: drop(), error: NetworkError, says: "after 2 attempts" },
])("RemoteClient fails if the token server returns no token: $says", async (row) => {
  const auth = tokenAuth();
  await using scene = makeScene([on("token", row.fault), on({}, auth.fault)]);
  using client = testClient({ retries: 1 });

  const error = await assertRejects(() => client.resolve(scene.reference), Error, row.says);

  assert(error instanceof row.error);
  if (error instanceof AuthError) assertEquals(error.registry, scene.registry.host);
});

Deno.test.each([
  { status: 401, code: "unauthorized" },
  { status: 403, code: "unauthorized" },
  { status: 404, code: "response" },
  { status: 405, code: "response" },
])("RemoteClient reports $code if a token server answers $status", async (row) => {
  const auth = tokenAuth();
  await using scene = makeScene([on("token", respond(row.status)), on({}, auth.fault)]);
  using client = testClient();

  const error = await assertRejects(() => client.resolve(scene.reference), AuthError);

  assertEquals(error.code, row.code);
});

Deno.test("RemoteClient tries again when the token server is busy", async () => {
  const auth = tokenAuth();
  await using scene = makeScene([
    on({ kind: "token", times: 2 }, respond(503)),
    on({}, auth.fault),
  ]);
  using client = testClient();

  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test.each([
  { realm: "not a url", says: "not a URL" },
  { realm: "", says: "not a URL" },
  { realm: "https://u:p@127.0.0.1/token", says: "contains a password" },
  { realm: "file:///etc/passwd", says: "does not use https" },
])("RemoteClient sends nothing to the token server $realm", async ({ realm, says }) => {
  await using scene = tokenScene({ realm: () => realm });
  using client = testClient();

  const error = await assertRejects(() => client.resolve(scene.reference), AuthError, says);

  assert(!error.message.includes("u:p"));
});
