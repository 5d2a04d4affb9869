import { assert, assertEquals, assertRejects } from "@std/assert";
import { type ImagePullAuth, LoginError, RegistryError } from "../../../registry/mod.ts";
import {
  basicAuth,
  type Fault,
  faultyRegistry,
  kindOf,
  on,
  plain,
  redirect,
  respond,
  tokenAuth,
} from "../../_support/faulty_registry.ts";
import { MemoryContent } from "../../_support/image.ts";
import { testClient } from "../_client.ts";

const RIGHT = { username: "ann", password: "pw" };
const WRONG = { username: "ann", password: "wr0ng" };
const USERS = { ann: "pw" };
const OF_TOKEN_SERVER = "the token server of the registry rejected the credential " +
  '(401, "incorrect username or password")';

/** Allows anonymous access to `/v2/` with a challenge, as Zot does. */
function open(fault: Fault): Fault {
  return async (request, next) => {
    const answer = await fault(request, next);
    const isOpen = kindOf(request) === "root" && !request.headers.has("authorization");
    return isOpen ? { ...answer, status: 200 } : answer;
  };
}

Deno.test.each([
  {
    name: "Basic",
    fault: () => basicAuth(USERS),
    says: 'the registry rejected the credential (401 UNAUTHORIZED, "log in")',
  },
  {
    name: "Basic beside anonymous access",
    fault: () => open(basicAuth(USERS)),
    says: 'the registry rejected the credential (401 UNAUTHORIZED, "log in")',
  },
  {
    name: "a token server",
    fault: () => tokenAuth({ users: USERS }).fault,
    says: OF_TOKEN_SERVER,
  },
  {
    name: "a token server beside anonymous access",
    fault: () => open(tokenAuth({ users: USERS }).fault),
    says: OF_TOKEN_SERVER,
  },
  {
    name: "a token server that refuses strangers",
    fault: () => tokenAuth({ users: USERS, anonymous: false }).fault,
    says: OF_TOKEN_SERVER,
  },
])(
  "RemoteClient.checkCredential() accepts right and rejects wrong credentials with $name",
  async ({ fault, says }) => {
    await using registry = faultyRegistry(new MemoryContent(), [on({}, fault())]);
    using client = testClient();

    assertEquals(await client.checkCredential(registry.host, RIGHT), true);
    const error = await assertRejects(
      () => client.checkCredential(registry.host, WRONG),
      LoginError,
    );

    assertEquals(error.status, 401);
    assertEquals(
      error.message,
      `Cannot log in to "${registry.host}": ${says}. Check the user name and the password or token`,
    );
  },
);

Deno.test("RemoteClient.checkCredential() exchanges an identity token", async () => {
  const { fault, exchanges } = tokenAuth({ identityTokens: ["right"], anonymous: false });
  await using registry = faultyRegistry(new MemoryContent(), [on({}, fault)]);
  using client = testClient();

  assertEquals(await client.checkCredential(registry.host, { identityToken: "right" }), true);
  await assertRejects(
    () => client.checkCredential(registry.host, { identityToken: "wrong" }),
    LoginError,
  );

  assertEquals(exchanges[0]?.method, "POST");
});

Deno.test("RemoteClient.checkCredential() reports that a registry requires no login", async () => {
  await using registry = faultyRegistry(new MemoryContent(), []);
  using client = testClient();

  assertEquals(await client.checkCredential(registry.host, RIGHT), false);
});

Deno.test("RemoteClient.checkCredential() retries temporary failures", async () => {
  const busy = on({ times: 2 }, respond(503));
  await using registry = faultyRegistry(new MemoryContent(), [busy, on({}, basicAuth(USERS))]);
  using client = testClient();

  assertEquals(await client.checkCredential(registry.host, RIGHT), true);
});

Deno.test.each([
  { answer: plain(404, {}, "nothing here"), says: "404" },
  { answer: plain(204), says: "204" },
  { answer: plain(200, { "content-type": "text/html" }, "<title>Welcome</title>"), says: "it" },
])("RemoteClient.checkCredential() reports that a host is not a registry: $says", async (row) => {
  await using registry = faultyRegistry(new MemoryContent(), [
    on({}, () => Promise.resolve(row.answer)),
  ]);
  using client = testClient();

  const error = await assertRejects(
    () => client.checkCredential(registry.host, RIGHT),
    RegistryError,
    `the host is not a registry (${row.says} `.trimEnd(),
  );

  assert(!(error instanceof LoginError));
});

Deno.test.each([
  { name: "without a body", fault: () => respond(401) },
  { name: "of a registry", fault: () => basicAuth(USERS) },
])(
  "RemoteClient.checkCredential() does not retry a rejection $name after a redirect",
  async ({ fault }) => {
    await using other = faultyRegistry(new MemoryContent(), [on({}, fault())]);
    await using registry = faultyRegistry(new MemoryContent(), [on({}, redirect(other.url))]);
    using client = testClient();

    const error = await assertRejects(
      () => client.checkCredential(registry.host, RIGHT),
      RegistryError,
      `Cannot log in to "${registry.host}": it redirects to ${other.host}, which answered 401`,
    );

    assert(!(error instanceof LoginError));
    assertEquals(error.retryable, false);
    assertEquals(error.advice, "Check the name of the host");
    assertEquals(other.requests.map(({ headers }) => headers.get("authorization")), [null]);
  },
);

const IDENTITY = { identityToken: "right" };

Deno.test.each<{ challenge: string | undefined; auth?: ImagePullAuth; says: string }>([
  { challenge: undefined, says: "the registry does not say how to log in" },
  {
    challenge: "Negotiate, Digest realm=x",
    says: 'the registry requires an unsupported login: "negotiate, digest"',
  },
  {
    challenge: 'Basic realm="x"',
    auth: IDENTITY,
    says: "the registry requires a user name and a password",
  },
  {
    challenge: 'Bearer realm="http://auth.example/token"',
    says: "the registry names the token server auth.example without TLS",
  },
])(
  "RemoteClient.checkCredential() does not call an unsent credential rejected: $says",
  async (row) => {
    const headers = { ...row.challenge !== undefined && { "www-authenticate": row.challenge } };
    await using registry = faultyRegistry(new MemoryContent(), [on({}, respond(401, headers))]);
    const warnings: string[] = [];
    using client = testClient();

    const error = await assertRejects(
      () => {
        const onWarning = (message: string) => warnings.push(message);
        return client.checkCredential(registry.host, row.auth ?? RIGHT, { onWarning });
      },
      RegistryError,
      `the registry answered 401, but the credential was not sent, because ${row.says}`,
    );

    assert(!(error instanceof LoginError));
    assertEquals(error.status, 401);
    assertEquals(warnings, []);
    assertEquals(registry.requests.some(({ headers }) => headers.has("authorization")), false);
  },
);

Deno.test("RemoteClient.checkCredential() reports no rejection if the registry requires no credential", async () => {
  await using registry = faultyRegistry(new MemoryContent(), [on({}, respond(403))]);
  using client = testClient();

  const error = await assertRejects(
    () => client.checkCredential(registry.host, RIGHT),
    RegistryError,
    "the registry answered 403, but the credential was not sent, because " +
      "the registry did not ask for one",
  );

  assert(!(error instanceof LoginError));
});
