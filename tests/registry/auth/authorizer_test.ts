import { assertEquals, assertRejects } from "@std/assert";
import { Authorizer } from "../../../registry/auth/authorizer.ts";
import { AuthError } from "../../../registry/mod.ts";
import { Http } from "../../../registry/transport/http.ts";
import { FakeClock } from "../_client.ts";
import { emptyResponse } from "../_response.ts";

/** Creates the authorizer of a public registry, with a credential. */
function authorizerOf(http: Http, url: URL, allowAnonymous = true): Authorizer {
  return new Authorizer({
    http,
    clock: new FakeClock(),
    tls: { caCerts: [] },
    registry: "registry.example",
    url,
    isPlain: url.protocol === "http:",
    allowPrivate: false,
    allowAnonymous,
    find: () => Promise.resolve({ auth: { username: "u", password: "p" }, source: "test" }),
  });
}

/**
 * Authorizes a request to a registry that refers to the token server at `realm`, and returns why the
 * credential was not sent.
 */
async function challenge(
  http: Http,
  protocol: "http:" | "https:",
  realm: string,
): Promise<string | undefined> {
  const url = new URL(`${protocol}//registry.example/v2/a/manifests/1`);
  const authorizer = authorizerOf(http, url, false);
  const request = {
    repository: "a",
    scope: "repository:a:pull",
    task: { action: "pull", subject: "a" },
    attempt: 1,
  };
  const headers = { "www-authenticate": `Bearer realm="${realm}",service="s"` };
  await authorizer.authorize(request, () => Promise.resolve(emptyResponse(url, 401, headers)));
  return authorizer.attempts(request.scope).unsent;
}

Deno.test.each([
  { realm: "http://auth.example/token", isAsked: false },
  { realm: "https://auth.example/token", isAsked: false },
  { realm: "http://registry.example:8080/token", isAsked: true },
])("Authorizer sends a credential to $realm of a plain-HTTP registry: $isAsked", async (row) => {
  // A token request fails before it is sent, because tests may connect to nothing but loopback.
  const asked: string[] = [];
  using http = new Http({
    userAgent: "test",
    stallTimeoutMs: 1000,
    onRequest: ({ url }) => asked.push(url),
  });

  const unsent = await challenge(http, "http:", row.realm).catch(() => undefined);

  assertEquals(asked.length > 0, row.isAsked);
  assertEquals(unsent?.endsWith("auth.example without TLS"), row.isAsked ? undefined : true);
});

const OPTION = "allowPrivateAddresses";

Deno.test.each<{ realm: string; says: string; option?: string }>([
  { realm: "http://auth.example/token", says: "does not use https" },
  { realm: "https://127.0.0.1/token", says: "private network", option: OPTION },
  { realm: "https://169.254.169.254/latest/meta-data", says: "private network" },
  { realm: "https://10.0.0.1:8443/token", says: "private network", option: OPTION },
  { realm: "https://[::ffff:192.168.1.1]/token", says: "private network", option: OPTION },
])("Authorizer sends nothing to the token server $realm of a public registry", async (row) => {
  // Nothing is sent before the realm is checked.
  using http = new Http({ userAgent: "test", stallTimeoutMs: 1 });

  const asked = () => challenge(http, "https:", row.realm);
  const error = await assertRejects(asked, AuthError, row.says);

  assertEquals([error.code, error.advice, error.option], [
    "response",
    "Report it to the operator of the registry",
    row.option,
  ]);
});

Deno.test("Authorizer keeps the tokens of a thousand scopes", async () => {
  using http = new Http({ userAgent: "test", stallTimeoutMs: 1 });
  const url = new URL("https://registry.example/v2/");
  const authorizer = authorizerOf(http, url);
  let sent = 0;
  const authorize = async (repository: string) => {
    const task = { action: "pull", subject: repository };
    const request = { repository, scope: `repository:${repository}:pull`, task, attempt: 1 };
    const before = sent;
    await authorizer.authorize(request, (header) => {
      sent++;
      const headers = { "www-authenticate": "Basic" };
      return Promise.resolve(emptyResponse(url, header === undefined ? 401 : 200, headers));
    });
    return sent - before;
  };

  await authorize("first");
  for (let i = 0; i < 999; i++) await authorize(`a${i}`);
  const known = await authorize("first");
  await authorize("last");

  assertEquals([known, await authorize("last"), await authorize("first")], [1, 1, 2]);
});
