import { assertEquals } from "@std/assert";
import {
  basicAuth,
  type Fault,
  type FaultyRegistry,
  faultyRegistry,
  on,
  tokenAuth,
  truncated,
  unauthorized,
} from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";

const content = new MemoryContent().add("app", "v1", buildImage());
const manifestPath = "/v2/app/manifests/v1";

/** Response to one request, for assertions. */
async function look(fault: Fault, headers: HeadersInit) {
  await using registry = faultyRegistry(content, [on({}, fault)]);
  const response = await fetch(registry.url + manifestPath, { headers });
  await response.body?.cancel();
  return response;
}

Deno.test("basicAuth() requires a name and a password", async () => {
  const fault = basicAuth({ ann: "secret:1" });
  const right = { authorization: `Basic ${btoa("ann:secret:1")}` };

  assertEquals((await look(fault, {})).headers.get("www-authenticate"), 'Basic realm="test"');
  assertEquals(
    (await look(fault, { authorization: `Basic ${btoa("ann:x")}` })).status,
    401,
  );
  assertEquals((await look(fault, right)).status, 200);
});

Deno.test("unauthorized() sends each challenge in a separate line", async () => {
  const challenges = ["Negotiate", 'BEARER realm="http://x/?a,b",service="a, b"', "Basic"];

  const { headers } = await look(() => unauthorized(challenges), {});

  assertEquals(headers.get("www-authenticate"), challenges.join(", "));
});

interface TokenCase {
  readonly registry: FaultyRegistry;
  readonly token: string;
}

async function withToken({ registry, token }: TokenCase): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(registry.url + manifestPath, { headers });
  await response.body?.cancel();
  return response.status;
}

async function takeToken(registry: FaultyRegistry, init: RequestInit = {}): Promise<string> {
  const query = init.method === "POST" ? "" : "?service=registry.test&scope=repository:app:pull";
  const response = await fetch(`${registry.url}/token${query}`, init);
  const answer = response.ok ? await response.json() : await response.text();
  return answer.token ?? answer.access_token ?? `refused ${response.status}`;
}

Deno.test("tokenAuth() sends challenges, and issues tokens that expire", async () => {
  const auth = tokenAuth({ uses: 2, expiresIn: 300 });
  await using registry = faultyRegistry(content, [on({}, auth.fault)]);

  const challenge = await fetch(registry.url + manifestPath);
  await challenge.body?.cancel();
  const token = await takeToken(registry);

  assertEquals(challenge.status, 401);
  assertEquals(
    challenge.headers.get("www-authenticate"),
    `Bearer realm="${registry.url}/token",service="registry.test",scope="repository:app:pull"`,
  );
  assertEquals(await withToken({ registry, token }), 200);
  assertEquals(await withToken({ registry, token }), 200);
  assertEquals(await withToken({ registry, token }), 401);
  const again = await takeToken(registry);
  auth.expire();
  assertEquals(await withToken({ registry, token: again }), 401);
  assertEquals(auth.exchanges.map(({ scopes }) => scopes), [
    ["repository:app:pull"],
    ["repository:app:pull"],
  ]);
});

Deno.test("tokenAuth() issues tokens to known users", async () => {
  const auth = tokenAuth({ users: { ann: "pw" }, identityTokens: ["refresh"], anonymous: false });
  await using registry = faultyRegistry(content, [on({}, auth.fault)]);
  const basic = (text: string) => ({ headers: { authorization: `Basic ${btoa(text)}` } });
  const post = (form: Record<string, string>) => ({
    method: "POST",
    body: new URLSearchParams({ scope: "repository:app:pull", ...form }),
  });

  assertEquals(await takeToken(registry), "refused 401");
  assertEquals(await takeToken(registry, basic("ann:no")), "refused 401");
  assertEquals(await takeToken(registry, basic("ann:pw")), "token-1");
  assertEquals(
    await takeToken(registry, post({ grant_type: "refresh_token", refresh_token: "refresh" })),
    "token-2",
  );
  assertEquals(
    await takeToken(registry, post({ grant_type: "refresh_token", refresh_token: "no" })),
    "refused 401",
  );
  assertEquals(await withToken({ registry, token: "token-2" }), 200);
  assertEquals(auth.exchanges.map(({ user }) => user), ["", "", "ann", "<token>", ""]);
});

Deno.test("tokenAuth() denies a scope, takes given tokens, and names the token otherwise", async () => {
  const auth = tokenAuth({
    denied: /^repository:app:/,
    registryTokens: ["given"],
    member: "access_token",
    challenges: (usual) => ["Basic", usual.replace("Bearer", "bearer")],
  });
  await using registry = faultyRegistry(content, [on({}, auth.fault)]);

  const token = await takeToken(registry);

  assertEquals(await withToken({ registry, token }), 403);
  assertEquals(await withToken({ registry, token: "given" }), 200);
});

Deno.test("truncated() cuts a token off in the middle of its JSON", async () => {
  const auth = tokenAuth();
  await using registry = faultyRegistry(content, [on("token", truncated(9)), on({}, auth.fault)]);

  const response = await fetch(`${registry.url}/token`);

  assertEquals(await response.text(), '{"token":');
});
