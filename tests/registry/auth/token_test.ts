import { assertEquals, assertRejects } from "@std/assert";
import {
  type Fault,
  on,
  respond,
  tokenAuth,
  unauthorized,
} from "../../_support/faulty_registry.ts";
import { FakeClock, makeScene, readAll, testClient } from "../_client.ts";
import { LOGIN, OneCredential, tokenScene, USERS } from "./_token_scene.ts";

Deno.test("RemoteClient requests one anonymous token for all requests to a repository", async () => {
  await using scene = tokenScene();
  using client = testClient();

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  await Promise.all(image.layers.map(async (layer) => await readAll(await layer.compressed())));

  assertEquals(
    scene.auth.exchanges.map(({ user, scopes, service }) => ({ user, scopes, service })),
    [
      { user: "", scopes: ["repository:a/b:pull"], service: "registry.test" },
    ],
  );
});

Deno.test("RemoteClient requests one token for concurrent requests", async () => {
  await using scene = tokenScene();
  using client = testClient();

  await Promise.all(Array.from({ length: 5 }, () => client.resolve(scene.reference)));

  assertEquals(scene.auth.exchanges.length, 1);
});

Deno.test("RemoteClient shares one caller's token, even if that caller aborts", async () => {
  await using scene = tokenScene();
  const controller = new AbortController();
  scene.registry.add(on("token", respond(500)));
  using client = testClient();

  const first = client.resolve(scene.reference, { signal: controller.signal });
  const second = client.resolve(scene.reference);
  controller.abort(new Error("enough"));

  await assertRejects(() => first, Error, "enough");
  assertEquals((await second).digest, scene.image.descriptor.digest);
  assertEquals(scene.auth.exchanges.length, 1);
});

Deno.test("RemoteClient renews a token at 80% of its lifetime", async () => {
  await using scene = tokenScene({ expiresIn: 100 });
  const clock = new FakeClock();
  using client = testClient({ clock });

  await client.resolve(scene.reference);
  clock.time += 79_000;
  await client.resolve(scene.reference);
  const before = scene.auth.exchanges.length;
  clock.time += 2_000;
  await client.resolve(scene.reference);

  assertEquals([before, scene.auth.exchanges.length], [1, 2]);
  // It was renewed before it was refused.
  assertEquals(scene.registry.requests.filter(({ status }) => status === 401).length, 1);
});

Deno.test("RemoteClient renews an anonymous token each time that it expires", async () => {
  await using scene = tokenScene({ uses: 1 });
  using client = testClient();

  for (let i = 0; i < 4; i++) {
    await readAll(await client.blob(scene.reference, scene.blob.descriptor));
  }

  assertEquals(scene.auth.exchanges.map(({ status }) => status), [200, 200, 200, 200]);
});

Deno.test("RemoteClient renews an anonymous token that is refused with 403", async () => {
  await using scene = tokenScene();
  using client = testClient();

  await client.resolve(scene.reference);
  scene.registry.add(on({ kind: "manifest", times: 1 }, respond(403)));
  await client.resolve(scene.reference);

  assertEquals(scene.auth.exchanges.length, 2);
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

Deno.test("RemoteClient assumes that a token without a lifetime is valid for a minute", async () => {
  await using scene = tokenScene();
  const clock = new FakeClock();
  using client = testClient({ clock });

  await client.resolve(scene.reference);
  clock.time += 47_000;
  await client.resolve(scene.reference);
  clock.time += 2_000;
  await client.resolve(scene.reference);

  assertEquals(scene.auth.exchanges.length, 2);
});

Deno.test("RemoteClient requests a new token when one expires while it reads an image", async () => {
  await using scene = tokenScene({ uses: 1, anonymous: false });
  const store = new OneCredential(LOGIN);
  using client = testClient({ credentials: store });

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  for (const [i, layer] of image.layers.entries()) {
    assertEquals(await readAll(await layer.compressed()), scene.image.layers[i]?.bytes);
  }

  assertEquals(scene.auth.exchanges.length, 4);
  assertEquals(store.asked, 1);
});
