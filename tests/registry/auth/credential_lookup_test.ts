import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuthError, type Credential } from "../../../registry/mod.ts";
import { type Fault, on, tokenAuth, unauthorized } from "../../_support/faulty_registry.ts";
import { FakeClock, makeScene, testClient } from "../_client.ts";
import { LOGIN, OneCredential, tokenScene, USERS } from "./_token_scene.ts";

Deno.test("RemoteClient looks up a credential again a minute after it was rejected", async () => {
  await using scene = tokenScene({ anonymous: false });
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
  assertEquals(scene.auth.exchanges.at(-1)?.user, "me");
});

Deno.test("RemoteClient looks up a missing credential again after a minute", async () => {
  await using scene = tokenScene({ anonymous: false });
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
  await using scene = tokenScene();
  const warnings: string[] = [];
  using client = testClient({
    credentials: new OneCredential({ username: "me", password: "old" }),
  });

  for (let i = 0; i < 2; i++) {
    const onWarning = (message: string) => warnings.push(message);
    await client.resolve(scene.reference, { onWarning });
  }

  assertEquals(scene.auth.exchanges.map(({ user, status }) => [user, status]), [["", 401], [
    "",
    200,
  ]]);
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
  await using scene = tokenScene({ denied: /./ });
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
  assert(
    second?.endsWith(". Check the password or token, and whether this user has access"),
    second,
  );
  assertEquals(errors.map(({ option }) => option), [undefined, "auth", undefined]);
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
