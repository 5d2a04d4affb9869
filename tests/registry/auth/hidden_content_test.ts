import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { type ImagePullAuth, NotFoundError } from "../../../registry/mod.ts";
import {
  basicAuth,
  type Fault,
  on,
  plain,
  tokenAuth,
  unauthorized,
} from "../../_support/faulty_registry.ts";
import { makeScene, testClient } from "../_client.ts";
import { LOGIN, USERS } from "./_token_scene.ts";

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
