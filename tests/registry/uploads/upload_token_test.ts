import { assert, assertEquals, assertRejects } from "@std/assert";
import { AuthError, parseReference } from "../../../registry/mod.ts";
import { LARGE, opener, SMALL } from "../../_support/push.ts";
import { type WritableRegistry, writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../_client.ts";

/** A registry with a token server, which counts its tokens. */
interface TokenRegistry extends AsyncDisposable {
  readonly registry: WritableRegistry;
  /** The scopes of every issued token. */
  readonly scopes: readonly (readonly string[])[];
}

/** Returns whether a token is valid for a request. */
type Check = (request: Request, token: number) => boolean;

function tokenRegistry(
  check: Check,
  refused: readonly string[] = [],
  refusal: number = 403,
): TokenRegistry {
  const scopes: string[][] = [];
  const registry = writableRegistry({
    interfere: async (request, next) => {
      const url = new URL(request.url);
      if (url.pathname === "/token") {
        const wanted = url.searchParams.getAll("scope");
        const isLoggedIn = request.headers.get("authorization") === `Basic ${btoa("u:p")}`;
        if (!isLoggedIn || wanted.some((scope) => refused.includes(scope))) {
          return Response.json({ errors: [{ code: "DENIED" }] }, { status: refusal });
        }
        scopes.push(wanted);
        return Response.json({ token: `t${scopes.length}`, expires_in: 3600 });
      }
      const [, token = "0"] = /^Bearer t(\d+)$/.exec(request.headers.get("authorization") ?? "") ??
        [];
      if (token !== "0" && check(request, Number(token))) return await next();
      await request.body?.cancel();
      const realm = `http://${url.host}/token`;
      return Response.json({ errors: [{ code: "UNAUTHORIZED" }] }, {
        status: 401,
        headers: { "www-authenticate": `Bearer realm="${realm}",service="test"` },
      });
    },
  });
  return { registry, scopes, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() };
}

async function push(
  { registry }: TokenRegistry,
  blob: typeof SMALL,
  mountFrom?: string,
): Promise<"mounted" | void> {
  using client = testClient();
  const auth = { username: "u", password: "p" };
  const options = { auth, mountFrom };
  const repository = parseReference(`${registry.host}/a/b`);
  return await client.pushBlob(repository, blob.descriptor, opener(blob), options);
}

Deno.test("pushBlob() requests one token to pull and push", async () => {
  await using scene = tokenRegistry(() => true);

  await push(scene, LARGE);

  assertEquals(scene.scopes, [["repository:a/b:pull,push"]]);
});

Deno.test("pushBlob() requests a second scope to mount", async () => {
  await using scene = tokenRegistry(() => true);

  await push(scene, SMALL, "c/d");

  assertEquals(scene.scopes[0], ["repository:a/b:pull,push", "repository:c/d:pull"]);
});

Deno.test.each([400, 401, 403, 404, 422])(
  "pushBlob() uploads if the token server answers %i for the repository to mount from",
  async (status) => {
    await using scene = tokenRegistry(() => true, ["repository:c/d:pull"], status);

    assertEquals(await push(scene, SMALL, "c/d"), undefined);

    assertEquals(
      await scene.registry.content.size("a/b", SMALL.descriptor.digest),
      SMALL.bytes.length,
    );
  },
);

Deno.test("pushBlob() requests another token when one expires in the middle of an upload", async () => {
  // The first token is valid for the POST, the second for the PATCH, and the third for the PUT.
  await using scene = tokenRegistry(({ method }, token) =>
    token >= ["POST", "PATCH", "PUT"].indexOf(method) + 1
  );

  await push(scene, LARGE);

  assertEquals(scene.scopes.length, 3);
  const size = await scene.registry.content.size("a/b", LARGE.descriptor.digest);
  assertEquals(size, LARGE.bytes.length);
});

Deno.test("pushBlob() fails if tokens are rejected in the middle of an upload", async () => {
  await using scene = tokenRegistry(({ method }) => method === "POST");

  const error = await assertRejects(() => push(scene, LARGE), AuthError);

  assertEquals([error.status, error.registryCode], [401, "UNAUTHORIZED"]);
  assert(scene.scopes.length < 10, "tokens are asked for again and again");
});
