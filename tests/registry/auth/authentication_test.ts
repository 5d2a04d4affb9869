import { assert, assertEquals } from "@std/assert";
import type { ImagePullAuth, RequestLog } from "../../../registry/mod.ts";
import { basicAuth, type Fault, on, redirect, tokenAuth } from "../../_support/faulty_registry.ts";
import { makeScene, readAll, testClient } from "../_client.ts";
import { LOGIN, tokenScene, USERS } from "./_token_scene.ts";

Deno.test.each<{ name: string; auth: ImagePullAuth }>([
  { name: "username and password", auth: LOGIN },
  { name: "auth", auth: { auth: btoa("me:s3cret") } },
  { name: "username and identity token", auth: { auth: btoa("me:"), identityToken: "s3cret" } },
])("RemoteClient sends $name by Basic where the registry requires it", async ({ auth }) => {
  await using scene = makeScene([on({}, basicAuth(USERS))]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference, { auth });

  assertEquals(digest, scene.image.descriptor.digest);
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
  await using scene = tokenScene({ challenges });
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

Deno.test("RemoteClient reports every request, without secrets", async () => {
  await using scene = tokenScene({ realm: () => `${scene.registry.url}/token?token=s3cret` });
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
