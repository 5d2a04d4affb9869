import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  AuthError,
  type Credential,
  type CredentialStore,
  type ImagePullAuth,
  NetworkError,
  NotFoundError,
  RegistryError,
  type RequestLog,
} from "../../../registry/mod.ts";
import { LimitError } from "../../../spec/mod.ts";
import {
  basicAuth,
  drop,
  type Fault,
  on,
  oversized,
  plain,
  redirect,
  respond,
  tokenAuth,
  type TokenAuthOptions,
  truncated,
  unauthorized,
  withStatus,
} from "../../_support/faulty_registry.ts";
import { FakeClock, makeScene, readAll, testClient } from "../_client.ts";

const LOGIN = { username: "me", password: "s3cret" };
const USERS = { me: "s3cret" };

/** A store with one credential, which counts the lookups. */
class OneCredential implements CredentialStore {
  asked = 0;
  readonly #credential: Credential | undefined;

  constructor(auth?: ImagePullAuth) {
    this.#credential = auth && { auth, source: "/home/me/.docker/config.json" };
  }

  find(): Promise<Credential | undefined> {
    this.asked++;
    return Promise.resolve(this.#credential);
  }
}

/** A registry behind a token server. */
function tokenScene(options: TokenAuthOptions = {}) {
  const auth = tokenAuth({ users: USERS, ...options });
  return { auth, scene: makeScene([on({}, auth.fault)]) };
}

Deno.test("RemoteClient requests one anonymous token for all requests to a repository", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  using client = testClient();

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  await Promise.all(image.layers.map(async (layer) => await readAll(await layer.compressed())));

  assertEquals(auth.exchanges.map(({ user, scopes, service }) => ({ user, scopes, service })), [
    { user: "", scopes: ["repository:a/b:pull"], service: "registry.test" },
  ]);
});

Deno.test("RemoteClient requests one token for concurrent requests", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  using client = testClient();

  await Promise.all(Array.from({ length: 5 }, () => client.resolve(scene.reference)));

  assertEquals(auth.exchanges.length, 1);
});

Deno.test("RemoteClient shares one caller's token, even if that caller aborts", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  const controller = new AbortController();
  scene.registry.add(on("token", respond(500)));
  using client = testClient();

  const first = client.resolve(scene.reference, { signal: controller.signal });
  const second = client.resolve(scene.reference);
  controller.abort(new Error("enough"));

  await assertRejects(() => first, Error, "enough");
  assertEquals((await second).digest, scene.image.descriptor.digest);
  assertEquals(auth.exchanges.length, 1);
});

Deno.test("RemoteClient sends a user name and a password only to the token server", async () => {
  const { auth, scene } = tokenScene({ anonymous: false });
  await using _ = scene;
  using client = testClient();

  await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals(auth.exchanges.map(({ user, account }) => ({ user, account })), [
    { user: "me", account: "me" },
  ]);
  const basic = scene.registry.requests.filter(({ headers }) =>
    headers.get("authorization")?.startsWith("Basic")
  );
  assertEquals(basic.map(({ kind }) => kind), ["token"]);
});

Deno.test.each<{ name: string; auth: ImagePullAuth }>([
  { name: "username and password", auth: LOGIN },
  { name: "auth", auth: { auth: btoa("me:s3cret") } },
])("RemoteClient sends $name by Basic where the registry requires it", async ({ auth }) => {
  await using scene = makeScene([on({}, basicAuth(USERS))]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference, { auth });

  assertEquals(digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient exchanges an identity token by POST", async () => {
  const { auth, scene } = tokenScene({ identityTokens: ["id"], anonymous: false });
  await using _ = scene;
  using client = testClient();

  await client.resolve(scene.reference, { auth: { identityToken: "id" } });

  assertEquals<unknown>(auth.exchanges.map(({ method, form }) => ({ method, ...form })), [{
    method: "POST",
    grant_type: "refresh_token",
    refresh_token: "id",
    client_id: "oci",
    service: "registry.test",
    scope: "repository:a/b:pull",
  }]);
});

Deno.test("RemoteClient uses the identity token that replaces another one", async () => {
  const { auth, scene } = tokenScene({
    identityTokens: ["id"],
    replaceTokens: true,
    anonymous: false,
  });
  await using _ = scene;
  using client = testClient();
  const options = { auth: { identityToken: "id" } };
  const other = { ...scene.reference, repository: "c/d" };
  scene.content.add("c/d", "1", scene.image);

  // The exchanges for two repositories must not use the same token.
  await Promise.all([
    client.resolve(scene.reference, options),
    client.resolve({ ...other, tag: "1" }, options),
  ]);
  auth.expire();
  await client.resolve(scene.reference, options);

  assertEquals(auth.exchanges.map(({ form, status }) => [form.refresh_token, status]), [
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
  const { auth, scene } = tokenScene({ registryTokens: ["given"], anonymous: false });
  await using _ = scene;
  using client = testClient();

  await client.resolve(scene.reference, { auth: { registryToken: "given" } });

  assertEquals(auth.exchanges.length, 0);
});

Deno.test("RemoteClient does not quote a registry token that is invalid in a header", async () => {
  const { scene } = tokenScene({ registryTokens: ["given"], anonymous: false });
  await using _ = scene;
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
  const { scene } = tokenScene({ member });
  await using _ = scene;
  using client = testClient();

  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test.each<{ challenges: (usual: string) => string[] }>([
  { challenges: (usual) => ['Basic realm="x"', usual] },
  { challenges: (usual) => [usual, 'Basic realm="x"'] },
  { challenges: (usual) => [`Negotiate, Basic realm="a, b", ${usual}`] },
  { challenges: (usual) => [usual.replace("Bearer", "BEARER").replace("realm", "REALM")] },
  { challenges: (usual) => [usual.replaceAll(",", " , ")] },
  { challenges: (usual) => [usual.replace(/,scope="[^"]*"/, "")] },
  { challenges: (usual) => ['Basic realm="x"', usual.replace(/http:\/\/[^/"]+/, "")] },
])("RemoteClient understands the challenge $challenges", async ({ challenges }) => {
  const { scene } = tokenScene({ challenges });
  await using _ = scene;
  using client = testClient();

  assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
});

Deno.test.each([[], ['realm=""'], ['realm="none"']])(
  "RemoteClient uses Basic beside a Bearer challenge with %j",
  async (...parameters) => {
    const bearer = ["Bearer service=x", ...parameters].join(",");
    await using scene = makeScene([on({}, basicAuth(USERS, [bearer, 'Basic realm="x"']))]);
    using client = testClient();

    const { digest } = await client.resolve(scene.reference, { auth: LOGIN });

    assertEquals(digest, scene.image.descriptor.digest);
  },
);

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

Deno.test("RemoteClient renews a token at 80 % of its lifetime", async () => {
  const { auth, scene } = tokenScene({ expiresIn: 100 });
  await using _ = scene;
  const clock = new FakeClock();
  using client = testClient({ clock });

  await client.resolve(scene.reference);
  clock.time += 79_000;
  await client.resolve(scene.reference);
  const before = auth.exchanges.length;
  clock.time += 2_000;
  await client.resolve(scene.reference);

  assertEquals([before, auth.exchanges.length], [1, 2]);
  // It was renewed before it was refused.
  assertEquals(scene.registry.requests.filter(({ status }) => status === 401).length, 1);
});

Deno.test("RemoteClient renews an anonymous token each time that it expires", async () => {
  const { auth, scene } = tokenScene({ uses: 1 });
  await using _ = scene;
  using client = testClient();

  for (let i = 0; i < 4; i++) {
    await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  }

  assertEquals(auth.exchanges.map(({ status }) => status), [200, 200, 200, 200]);
});

Deno.test("RemoteClient renews an anonymous token that is refused with 403", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  using client = testClient();

  await client.resolve(scene.reference);
  scene.registry.add(on({ kind: "manifest", times: 1 }, respond(403)));
  await client.resolve(scene.reference);

  assertEquals(auth.exchanges.length, 2);
});

Deno.test.each([401, 403])(
  "RemoteClient requests a token with the scopes that a %i reports as missing, with its credential",
  async (status) => {
    const auth = tokenAuth({ users: USERS, anonymous: false });
    const wanted = "repository:base/c:pull";
    const isWide = ({ headers }: Request) => {
      const token = headers.get("authorization")?.replace("Bearer token-", "");
      return auth.exchanges[Number(token) - 1]?.scopes.includes(wanted);
    };
    const narrow: Fault = async (request, next) => {
      if (!request.headers.has("authorization") || isWide(request)) return await next();
      const realm = `realm="${new URL(request.url).origin}/token",service="registry.test"`;
      const challenge = `Bearer ${realm},error="insufficient_scope",scope="${wanted}"`;
      return unauthorized([challenge], status);
    };
    await using scene = makeScene([on("manifest", narrow), on({}, auth.fault)]);
    using client = testClient({ credentials: new OneCredential(LOGIN) });

    await client.resolve(scene.reference);

    assertEquals(auth.exchanges.map(({ user, scopes }) => ({ user, scopes })), [
      { user: "me", scopes: ["repository:a/b:pull"] },
      { user: "me", scopes: ["repository:a/b:pull", wanted] },
    ]);
  },
);

Deno.test.each([200, 201, 203])("RemoteClient accepts a token with status %i", async (status) => {
  const auth = tokenAuth();
  await using scene = makeScene([on("token", withStatus(status)), on({}, auth.fault)]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference);

  assertEquals(digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient assumes that a token without a lifetime is valid for a minute", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  const clock = new FakeClock();
  using client = testClient({ clock });

  await client.resolve(scene.reference);
  clock.time += 47_000;
  await client.resolve(scene.reference);
  clock.time += 2_000;
  await client.resolve(scene.reference);

  assertEquals(auth.exchanges.length, 2);
});

Deno.test("RemoteClient requests a new token when one expires while it reads an image", async () => {
  const { auth, scene } = tokenScene({ uses: 1, anonymous: false });
  await using _ = scene;
  const store = new OneCredential(LOGIN);
  using client = testClient({ credentials: store });

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  for (const [i, layer] of image.layers.entries()) {
    assertEquals(await readAll(await layer.compressed()), scene.image.layers[i]?.bytes);
  }

  assertEquals(auth.exchanges.length, 4);
  assertEquals(store.asked, 1);
});

Deno.test("RemoteClient looks up a credential again a minute after it was rejected", async () => {
  const { auth, scene } = tokenScene({ anonymous: false });
  await using _ = scene;
  const clock = new FakeClock();
  let password = "old";
  using client = testClient({
    clock,
    credentials: {
      find: () => Promise.resolve({ auth: { username: "me", password }, source: "test" }),
    },
  });
  const resolve = () => client.resolve(scene.reference);

  await assertRejects(resolve, AuthError);
  password = "s3cret";
  await assertRejects(resolve, AuthError);
  clock.time += 60_000;

  assertEquals((await resolve()).digest, scene.image.descriptor.digest);
  assertEquals(auth.exchanges.at(-1)?.user, "me");
});

Deno.test("RemoteClient looks up a missing credential again after a minute", async () => {
  const { scene } = tokenScene({ anonymous: false });
  await using _ = scene;
  const clock = new FakeClock();
  const found: Credential[] = [];
  using client = testClient({ clock, credentials: { find: () => Promise.resolve(found[0]) } });

  await assertRejects(() => client.resolve(scene.reference), AuthError);
  found.push({ auth: LOGIN, source: "test" });
  clock.time += 60_000;

  const { digest } = await client.resolve(scene.reference);
  assertEquals(digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient retries without a credential that the token server rejects", async () => {
  const { auth, scene } = tokenScene();
  await using _ = scene;
  const warnings: string[] = [];
  using client = testClient({
    credentials: new OneCredential({ username: "me", password: "old" }),
  });

  for (let i = 0; i < 2; i++) {
    const onWarning = (message: string) => warnings.push(message);
    await client.resolve(scene.reference, { onWarning });
  }

  assertEquals(auth.exchanges.map(({ user, status }) => [user, status]), [["", 401], ["", 200]]);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes("from /home/me/.docker/config.json was rejected"), warnings[0]);
});

Deno.test("RemoteClient retries without a credential whose token the registry rejects", async () => {
  const auth = tokenAuth({ users: USERS });
  const refuseUsers: Fault = async (request, next) => {
    const token = request.headers.get("authorization");
    const user = auth.exchanges[Number(token?.replace(/\D+/, "")) - 1]?.user;
    return user === "me" ? unauthorized([], 403) : await next();
  };
  await using scene = makeScene([on({ method: "HEAD" }, refuseUsers), on({}, auth.fault)]);
  const warnings: string[] = [];
  using client = testClient({
    credentials: new OneCredential(LOGIN),
    onWarning: (message) => warnings.push(message),
  });

  const { digest } = await client.resolve(scene.reference);

  assertEquals(digest, scene.image.descriptor.digest);
  assertEquals(auth.exchanges.map(({ user }) => user), ["me", ""]);
  assert(
    warnings[0]?.includes("/home/me/.docker/config.json does not give access (403)"),
    warnings[0],
  );
});

Deno.test("RemoteClient names the credential that was rejected", async () => {
  const { scene } = tokenScene({ denied: /./ });
  await using _ = scene;
  using anonymous = testClient();
  using known = testClient({ credentials: new OneCredential(LOGIN) });
  using skipping = testClient({
    credentials: {
      find(_, { onSkipped } = {}) {
        onSkipped?.('"/x" was skipped because it needs --allow-read=/x');
        return Promise.resolve(undefined);
      },
    },
  });

  const errors = await Promise.all([anonymous, known, skipping].map(async (client) => {
    return await assertRejects(() => client.document(scene.reference), AuthError);
  }));

  assertEquals(errors.map(({ status, registryCode }) => [status, registryCode]), [
    [403, "DENIED"],
    [403, "DENIED"],
    [403, "DENIED"],
  ]);
  const [first, second, third] = errors.map(({ message }) => message);
  assert(first?.includes("tried anonymous access, found no credential for it"), first);
  assert(first?.endsWith(". Log in, or specify a credential"), first);
  assertEquals(errors.map(({ registry }) => registry), Array(3).fill(scene.registry.host));
  assert(
    second?.includes("tried anonymous access and the credential from /home/me/.docker/config.json"),
    second,
  );
  assert(third?.includes("--allow-read=/x"), third);
  assert(!errors.some((error) => Deno.inspect(error).includes("s3cret")));
});

Deno.test("RemoteClient looks up a credential only when challenged", async () => {
  await using scene = makeScene();
  const store = new OneCredential(LOGIN);
  using client = testClient({ credentials: store });

  await client.image(scene.reference, { platform: "linux/amd64" });

  assertEquals(store.asked, 0);
  assert(scene.registry.requests.every(({ headers }) => !headers.has("authorization")));
});

/** Hides repositories from anonymous clients without a challenge, but sends one for `/v2/`. */
function hiddenFrom(strangers: Fault, status: number): Fault {
  return async (request, next) => {
    const answer = await strangers(request, next);
    const isHidden = answer.status === 401 && new URL(request.url).pathname !== "/v2/";
    return isHidden ? plain(status) : answer;
  };
}

Deno.test.each([
  { status: 404, by: "Basic", fault: () => basicAuth(USERS) },
  { status: 403, by: "Basic", fault: () => basicAuth(USERS) },
  { status: 404, by: "Bearer", fault: () => tokenAuth({ users: USERS, anonymous: false }).fault },
])("RemoteClient logs in by $by where 404 or 403 hides a repository", async (row) => {
  await using scene = makeScene([on({}, hiddenFrom(row.fault(), row.status))]);
  using client = testClient();

  const image = await client.image(scene.reference, { platform: "linux/amd64", auth: LOGIN });

  assertEquals(image.digest, scene.image.descriptor.digest);
  assertEquals(scene.registry.seen("root"), ["GET /v2/"]);
});

Deno.test.each([401, 200])(
  "RemoteClient.repositories() logs in if /v2/ has a challenge with status %i",
  async (status) => {
    const isUser = ({ headers }: Request) => headers.get("authorization")?.startsWith("Basic ");
    await using scene = makeScene([
      on({ path: /_catalog/ }, (request) => {
        const repositories = isUser(request) ? ["private", "public"] : ["public"];
        return plain(200, {}, JSON.stringify({ repositories }));
      }),
      on("root", () => unauthorized(['Basic realm="x"'], status)),
    ]);
    using client = testClient();
    const list = (auth?: ImagePullAuth) => {
      return Array.fromAsync(client.repositories(scene.registry.host, { auth }));
    };

    assertEquals(await list(), ["public"]);
    assertEquals(scene.registry.requests.length, 1);
    assertEquals(await list(LOGIN), ["private", "public"]);
  },
);

Deno.test.each<{ name: string; fault: () => Fault }>([
  { name: "Basic", fault: () => basicAuth(USERS) },
  { name: "a token server", fault: () => tokenAuth({ users: USERS, anonymous: false }).fault },
])(
  "RemoteClient.repositories() lists public repositories if $name rejects the credential",
  async ({ fault }) => {
    const login = fault();
    await using scene = makeScene([
      on({ kind: "catalog" }, (request, next) => {
        if (request.headers.has("authorization")) return login(request, next);
        return plain(200, {}, '{"repositories":["public"]}');
      }),
      on({}, login),
    ]);
    using client = testClient();
    const warnings: string[] = [];
    const options = {
      auth: { username: "ann", password: "wrong" },
      onWarning: (message: string) => warnings.push(message),
    };

    assertEquals(
      await Array.fromAsync(client.repositories(scene.registry.host, options)),
      ["public"],
    );
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0] ?? "", /^The credential for .* Continuing without it$/);
  },
);

Deno.test.each([
  ["ftp://127.0.0.1/token", /is not sent, because .* refers to an unsafe token server: .* https/],
  ["http://169.254.169.254/token", /is not sent, because the registry names .* without TLS/],
])("RemoteClient does not need the token server %s if the registry is open", async (...row) => {
  const [realm, warning] = row as [string, RegExp];
  await using scene = makeScene([
    on({ kind: "catalog" }, () => plain(200, {}, '{"repositories":["public"]}')),
    on("root", () => unauthorized([`Bearer realm="${realm}"`])),
  ]);
  using client = testClient();
  const warnings: string[] = [];
  const options = { auth: LOGIN, onWarning: (message: string) => warnings.push(message) };

  const listed = await Array.fromAsync(client.repositories(scene.registry.host, options));
  const missing = { ...scene.reference, tag: "missing" };
  await assertRejects(() => client.resolve(missing, options), NotFoundError);

  assertEquals(listed, ["public"]);
  assertEquals(warnings.length, 1);
  assertMatch(warnings[0] ?? "", warning);
});

Deno.test("RemoteClient reads the challenge for /v2/ if others have none", async () => {
  for (const auth of [undefined, LOGIN]) {
    const { fault } = tokenAuth({ users: USERS, anonymous: auth === undefined });
    const bare: Fault = async (request, next) => {
      const answer = await fault(request, next);
      const isRoot = new URL(request.url).pathname === "/v2/";
      return answer.status === 401 && !isRoot ? { ...answer, lines: [] } : answer;
    };
    await using scene = makeScene([on({}, bare)]);
    using client = testClient();

    const { digest } = await client.resolve(scene.reference, { auth });

    assertEquals(digest, scene.image.descriptor.digest);
    assertEquals(scene.registry.seen("root"), ["GET /v2/"]);
  }
});

Deno.test("RemoteClient answers a challenge in a 403", async () => {
  const forbidden: Fault = async (request, next) => {
    const answer = await basicAuth(USERS)(request, next);
    return answer.status === 401 ? { ...answer, status: 403 } : answer;
  };
  await using scene = makeScene([on({}, forbidden)]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals([digest, scene.registry.seen("root")], [scene.image.descriptor.digest, []]);
});

Deno.test("RemoteClient checks only once whether an open registry hides content", async () => {
  await using scene = makeScene();
  using client = testClient();
  const gone = { ...scene.reference, tag: "gone" };

  for (const _ of [1, 2]) {
    const error = await assertRejects(() => client.document(gone, { auth: LOGIN }), NotFoundError);
    assert(!error.message.includes("tried"), error.message);
  }

  assertEquals(scene.registry.seen(), [
    "GET /v2/a/b/manifests/gone",
    "GET /v2/",
    "GET /v2/a/b/manifests/gone",
  ]);
});

Deno.test("RemoteClient does not send the credential to the target of a redirect", async () => {
  await using cdn = makeScene();
  await using scene = makeScene([
    on({}, basicAuth(USERS)),
    on("blob", redirect(cdn.registry.url)),
  ]);
  using client = testClient();

  const stream = await client.blob(scene.reference, cdn.blob.descriptor, { auth: LOGIN });
  await readAll(stream);

  assertEquals(cdn.registry.requests.map(({ headers }) => headers.get("authorization")), [null]);
});

Deno.test("RemoteClient requests an anonymous token if a redirect leads to another registry", async () => {
  const auth = tokenAuth({ users: USERS });
  await using other = makeScene([on({}, auth.fault)]);
  await using scene = makeScene([
    on({}, basicAuth(USERS)),
    on("blob", redirect(other.registry.url)),
  ]);
  using client = testClient();

  const bytes = await readAll(
    await client.blob(scene.reference, other.blob.descriptor, { auth: LOGIN }),
  );

  assertEquals(bytes, other.blob.bytes);
  assertEquals(auth.exchanges.map(({ user }) => user), [""]);
});

Deno.test.each([
  { fault: truncated(5), error: RegistryError, says: "contains no token" },
  { fault: respond(200, {}, "{}"), error: RegistryError, says: "contains no token" },
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
  const { scene } = tokenScene({ realm: () => realm });
  await using _ = scene;
  using client = testClient();

  const error = await assertRejects(() => client.resolve(scene.reference), AuthError, says);

  assert(!error.message.includes("u:p"));
});

Deno.test("RemoteClient reports every request, without secrets", async () => {
  const { scene } = tokenScene({ realm: () => `${scene.registry.url}/token?token=s3cret` });
  await using _ = scene;
  const log: RequestLog[] = [];
  using client = testClient({ onRequest: (request) => log.push(request) });

  await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals(log.map(({ method, status }) => [method, status]), [
    ["HEAD", 401],
    ["GET", 200],
    ["HEAD", 200],
  ]);
  assert(!JSON.stringify(log).includes("s3cret"));
});
