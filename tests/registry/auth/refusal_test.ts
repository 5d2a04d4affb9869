import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  AuthError,
  type ImagePullAuth,
  NotFoundError,
  parseReference,
} from "../../../registry/mod.ts";
import {
  basicAuth,
  type Fault,
  on,
  plain,
  redirect,
  respond,
  tokenAuth,
} from "../../_support/faulty_registry.ts";
import { buildImage } from "../../_support/image.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { makeScene, testClient } from "../_client.ts";
import { LOGIN, USERS } from "./_token_scene.ts";

Deno.test("RemoteClient reports why the token server rejected a credential", async () => {
  const auth = tokenAuth({ users: USERS, denied: /./ });
  await using scene = makeScene([on({}, auth.fault)]);
  const warnings: string[] = [];
  using client = testClient({ onWarning: (message) => warnings.push(message) });

  const error = await assertRejects(
    () => client.document(scene.reference, { auth: { username: "me", password: "old" } }),
    AuthError,
  );

  const why = '401, "incorrect username or password"';
  assert(error.message.includes(`which its token server rejected: ${why}`), error.message);
  assert(warnings[0]?.includes(`was rejected by its token server (${why})`), warnings[0]);
});

Deno.test("RemoteClient reports the response to the user if anonymous access is refused too", async () => {
  const auth = tokenAuth({ users: USERS });
  const denied: Fault = async (request, next) => {
    const token = request.headers.get("authorization")?.replace(/\D+/, "");
    if (token === undefined) return await next();
    const isUser = auth.exchanges[Number(token) - 1]?.user === "me";
    const body = '{"errors":[{"code":"DENIED","message":"not in the team"}]}';
    return isUser ? plain(403, {}, body) : plain(401);
  };
  await using scene = makeScene([on("manifest", denied), on({}, auth.fault)]);
  using client = testClient();

  const error = await assertRejects(
    () => client.document(scene.reference, { auth: LOGIN }),
    AuthError,
    'answered 403 DENIED, "not in the team"',
  );

  assertEquals(error.status, 403);
  assertEquals(auth.exchanges.map(({ user }) => user), ["me", ""]);
});

Deno.test("RemoteClient does not repeat a write as an anonymous client after 403", async () => {
  const tokens: string[] = [];
  await using registry = writableRegistry({
    interfere: (request) => {
      const url = new URL(request.url);
      if (url.pathname === "/token") {
        tokens.push(request.headers.get("authorization") ?? "");
        return Promise.resolve(Response.json({ token: "t" }));
      }
      const challenge = `Bearer realm="http://${url.host}/token",service="test"`;
      const headers = { "www-authenticate": challenge };
      const isKnown = request.headers.has("authorization");
      const errors = [{ code: "DENIED", message: "over quota" }];
      return Promise.resolve(Response.json({ errors }, { status: isKnown ? 403 : 401, headers }));
    },
  });
  const warnings: string[] = [];
  using client = testClient({ onWarning: (message) => warnings.push(message) });
  const { descriptor, bytes } = buildImage();
  const reference = { registry: registry.host, repository: "a/b", tag: "v1" };

  const error = await assertRejects(
    () => client.pushManifest(reference, descriptor, bytes, { auth: LOGIN }),
    AuthError,
    'answered 403 DENIED, "over quota"',
  );

  assertEquals(error.isAuthenticated, true);
  assertEquals(tokens.length, 1);
  assertEquals(warnings, []);
});

Deno.test("RemoteClient reports content that is missing where a redirect leads", async () => {
  const body = '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}';
  await using other = makeScene([on({}, respond(404, {}, body))]);
  await using scene = makeScene([on("manifest", redirect(other.registry.url))]);
  using client = testClient();

  const error = await assertRejects(
    () => client.document(scene.reference),
    NotFoundError,
    "404 MANIFEST_UNKNOWN",
  );

  assertEquals([error.missing, error.attempts], ["tag", 1]);
});

Deno.test("RemoteClient reports that the target of a redirect denies access", async () => {
  const body = '{"errors":[{"code":"UNAUTHORIZED","message":"log in"}]}';
  await using other = makeScene([on({}, respond(401, {}, body))]);
  await using scene = makeScene([on("manifest", redirect(other.registry.url))]);
  using client = testClient();

  const error = await assertRejects(() => client.document(scene.reference), AuthError);

  const { host } = scene.registry;
  const state = `${other.registry.host}, to which ${host} redirects, answered 401 UNAUTHORIZED`;
  assert(error.message.includes(state), error.message);
  assertEquals([error.retryable, error.attempts], [false, 1]);
});

Deno.test("RemoteClient keeps using a credential without access, because the response says why", async () => {
  // A token of ECR that has expired is denied with 403, without a body for HEAD.
  const expired: Fault = (request, next) => {
    const body = '{"errors":[{"code":"DENIED","message":"your token has expired"}]}';
    return request.headers.has("authorization") ? plain(403, {}, body) : next();
  };
  await using scene = makeScene([on("manifest", expired), on({}, basicAuth(USERS))]);
  const warnings: string[] = [];
  using client = testClient({ onWarning: (message) => warnings.push(message) });

  const error = await assertRejects(
    () => client.resolve(scene.reference, { auth: LOGIN }),
    AuthError,
    "this user has no access: ",
  );

  assert(error.message.includes('answered 403 DENIED, "your token has expired"'), error.message);
  assertEquals([error.isAuthenticated, warnings], [true, []]);
});

Deno.test("RemoteClient says which user a registry may hide content from", async () => {
  const auth = tokenAuth({ users: USERS });
  await using scene = makeScene([on({}, auth.fault)]);
  await using open = makeScene();
  using client = testClient();
  const find = async (host: string, login: ImagePullAuth | undefined) => {
    const reference = parseReference(`${host}/a/b:gone`);
    return await assertRejects(() => client.document(reference, { auth: login }), NotFoundError);
  };

  const errors = [
    await find(scene.registry.host, undefined),
    await find(scene.registry.host, LOGIN),
    await find(open.registry.host, LOGIN),
  ];

  assertEquals(errors.map(({ isAuthenticated }) => isAuthenticated), [false, true, false]);
  const [first, second, third] = errors.map(({ message }) => message);
  assert(first?.includes("hides it from unauthenticated clients (404"), first);
  assert(second?.includes("hides it from this user (404"), second);
  assert(third?.includes("hides it from unauthenticated clients (404"), third);
  assert(!third?.includes(", )"), third);
});
