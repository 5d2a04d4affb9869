import { assertEquals, assertRejects } from "@std/assert";
import { Authorizer } from "../../../registry/auth/authorizer.ts";
import { AuthError } from "../../../registry/mod.ts";
import { Http } from "../../../registry/transport/http.ts";
import { emptyAnswer } from "../_answer.ts";
import { FakeClock } from "../_client.ts";

Deno.test.each([
  { realm: "http://auth.example/token", isAsked: false },
  { realm: "https://auth.example/token", isAsked: false },
  { realm: "http://registry.example:8080/token", isAsked: true },
])("Authorizer sends a credential to $realm of a plain-HTTP registry: $isAsked", async (row) => {
  const url = new URL("http://registry.example/v2/a/manifests/1");
  const headers = { "www-authenticate": `Bearer realm="${row.realm}",service="s"` };
  // A request for a token ends before it is sent, because the address must not be reached.
  const asked: string[] = [];
  using http = new Http({
    userAgent: "test",
    stallTimeoutMs: 1000,
    onRequest: ({ url }) => asked.push(url),
  });
  const warnings: string[] = [];
  const authorizer = new Authorizer({
    http,
    clock: new FakeClock(),
    tls: { caCerts: [] },
    registry: "registry.example",
    url,
    isPlain: true,
    allowPrivate: false,
    allowAnonymous: false,
    find: () => Promise.resolve({ auth: { username: "u", password: "p" }, source: "test" }),
  });
  const request = {
    repository: "a",
    scope: "repository:a:pull",
    task: { action: "pull", subject: "a" },
    attempt: 1,
    onWarning: (message: string) => warnings.push(message),
  };

  await authorizer.authorize(request, () => Promise.resolve(emptyAnswer(url, 401, headers)))
    .catch(() => {});

  assertEquals(asked.length > 0, row.isAsked);
  assertEquals(warnings.some((text) => text.includes("is not sent")), !row.isAsked);
});

Deno.test.each<{ realm: string; says: string }>([
  { realm: "http://auth.example/token", says: "does not use https" },
  { realm: "https://127.0.0.1/token", says: "private network" },
  { realm: "https://169.254.169.254/latest/meta-data", says: "private network" },
  { realm: "https://10.0.0.1:8443/token", says: "private network" },
  { realm: "https://[::ffff:192.168.1.1]/token", says: "private network" },
])("Authorizer does not ask the token server $realm of a public registry", async (row) => {
  const url = new URL("https://registry.example/v2/a/manifests/1");
  const headers = { "www-authenticate": `Bearer realm="${row.realm}",service="s"` };
  // It cannot be queried either: nothing is sent before the realm is checked.
  using http = new Http({ userAgent: "test", stallTimeoutMs: 1 });
  const authorizer = new Authorizer({
    http,
    clock: new FakeClock(),
    tls: { caCerts: [] },
    registry: "registry.example",
    url,
    isPlain: false,
    allowPrivate: false,
    find: () => Promise.resolve({ auth: { username: "u", password: "p" }, source: "test" }),
  });
  const request = {
    repository: "a",
    scope: "repository:a:pull",
    task: { action: "pull", subject: "a" },
    attempt: 1,
  };

  await assertRejects(
    () => authorizer.authorize(request, () => Promise.resolve(emptyAnswer(url, 401, headers))),
    AuthError,
    row.says,
  );
});
