import { assertEquals } from "@std/assert";
import { canWrite, withoutRepositoryScopes } from "../../../registry/auth/scope.ts";
import { on, plain, redirect, tokenAuth } from "../../_support/faulty_registry.ts";
import { FakeClock, makeScene, readAll, testClient } from "../_client.ts";
import { LOGIN, USERS } from "./_token_scene.ts";

/** Replaces the scope of a challenge. */
function naming(scope: string): (usual: string) => readonly string[] {
  return (usual) => [`${usual.replace(/,scope="[^"]*"/, "")},scope="${scope}"`];
}

Deno.test("RemoteClient requests only the scope in the challenge where a redirect leads", async () => {
  // registry.k8s.io redirects to a registry where the repository has another name.
  const auth = tokenAuth({ unknownScopes: /:a\/b:/ });
  await using other = makeScene([on({}, auth.fault)]);
  other.content.add("x/y/b", "v1", other.image);
  await using scene = makeScene([
    on({}, (request) => {
      const { pathname } = new URL(request.url);
      return redirect(other.registry.url + pathname.replace("/a/b/", "/x/y/b/"))(request, gone);
    }),
  ]);
  using client = testClient();

  const { digest } = await client.resolve(scene.reference);

  assertEquals(digest, other.image.descriptor.digest);
  assertEquals(auth.exchanges.map(({ scopes }) => scopes), [["repository:x/y/b:pull"]]);
});

Deno.test("RemoteClient.checkCredential() ignores the example repository in a challenge", async () => {
  // ghcr.io names `user/image` in its challenge for `/v2/`.
  const auth = tokenAuth({
    users: USERS,
    anonymous: false,
    unknownScopes: /^repository:/,
    challenges: naming("repository:user/image:pull aws"),
  });
  await using scene = makeScene([on({}, auth.fault)]);
  using client = testClient();

  assertEquals(await client.checkCredential(scene.registry.host, LOGIN), true);

  assertEquals(auth.exchanges.map(({ scopes }) => scopes), [["aws"]]);
});

Deno.test("RemoteClient ignores the example repository in the challenge after a 404", async () => {
  const auth = tokenAuth({
    users: USERS,
    unknownScopes: /:user\/image:/,
    challenges: naming("repository:user/image:pull"),
  });
  await using scene = makeScene([
    on("manifest", async (request, next) => {
      const answer = await auth.fault(request, next);
      return answer.status === 401 ? plain(404) : answer;
    }),
    on({}, auth.fault),
  ]);
  using client = testClient();

  await client.resolve(scene.reference, { auth: LOGIN });

  assertEquals(auth.exchanges.map(({ scopes }) => scopes), [["repository:a/b:pull"]]);
});

Deno.test("RemoteClient renews a token without the scopes of other repositories", async () => {
  const auth = tokenAuth({ expiresIn: 100 });
  await using scene = makeScene([on({}, auth.fault)]);
  const { reference, content, image, blob } = scene;
  content.add("c/d", "v1", image).addBlob("c/d", blob);
  const clock = new FakeClock();
  using client = testClient({ clock });
  const other = { ...reference, repository: "c/d" };

  for (const _ of [1, 2]) {
    for (const place of [reference, other]) {
      await readAll(await client.blob(place, blob.descriptor));
    }
    clock.time += 90_000;
  }

  assertEquals(auth.exchanges.map(({ scopes }) => scopes), [
    ["repository:a/b:pull"],
    ["repository:c/d:pull"],
    ["repository:a/b:pull"],
    ["repository:c/d:pull"],
  ]);
});

/** Fails, because the registry only redirects. */
function gone(): Promise<never> {
  return Promise.reject(new Error("Cannot answer: the registry only redirects"));
}

Deno.test.each([
  { scopes: "", kept: "" },
  { scopes: "aws", kept: "aws" },
  { scopes: "repository:user/image:pull", kept: "" },
  { scopes: "* repository:a/b:pull,push registry:catalog:*", kept: "* registry:catalog:*" },
])('withoutRepositoryScopes() keeps "$kept" of "$scopes"', ({ scopes, kept }) => {
  assertEquals(withoutRepositoryScopes(scopes), kept);
});

Deno.test.each([
  { scope: "repository:push/delete:pull", isWrite: false },
  { scope: "repository:a/b:pull,push", isWrite: true },
  { scope: "repository:h:5000/a:delete,pull", isWrite: true },
  { scope: "repository:a:pull repository:b:push", isWrite: true },
  { scope: "registry:catalog:*", isWrite: false },
])("canWrite() returns $isWrite for $scope", ({ scope, isWrite }) => {
  assertEquals(canWrite(scope), isWrite);
});
