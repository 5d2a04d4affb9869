import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  NotFoundError,
  RateLimitError,
  RegistryError,
  RemoteClient,
} from "../../../registry/mod.ts";
import { busy, on, registryError, respond, withHeaders } from "../../_support/faulty_registry.ts";
import { FakeClock, makeScene, testClient } from "../_client.ts";

Deno.test.each([
  { retryAfter: 7, pause: 7_000 },
  { retryAfter: new Date(Date.UTC(2026, 0, 1, 0, 1)).toUTCString(), pause: 60_000 },
])("RemoteClient waits as long as Retry-After says: $pause ms", async ({ retryAfter, pause }) => {
  const date = new Date(Date.UTC(2026, 0, 1)).toUTCString();
  const refusal = respond(429, { date, "retry-after": String(retryAfter) });
  await using scene = makeScene([on({ kind: "manifest", nth: 1 }, refusal)]);
  const clock = new FakeClock();
  const warnings: string[] = [];
  using client = testClient({ clock, onWarning: (message) => warnings.push(message) });

  await client.document(scene.reference);

  assertEquals(clock.pauses, [pause]);
  assertEquals(warnings, [
    `Waiting ${pause / 1000} s, as requested by ${scene.registry.host} (429)`,
  ]);
});

Deno.test.each([
  { status: 429, why: (host: string) => `Rate limited by ${host} (429)` },
  { status: 503, why: (host: string) => `${host} answered 503` },
])("RemoteClient warns once that it retries after $status, when that takes long", async (row) => {
  await using scene = makeScene([on("manifest", respond(row.status))]);
  const clock = new FakeClock();
  const warnings: string[] = [];
  using client = testClient({ clock, retries: 8, onWarning: (message) => warnings.push(message) });

  const error = await assertRejects(() => client.document(scene.reference), RegistryError);

  // The last of the pauses that are longer than five seconds together.
  let sum = 0;
  const pause = clock.pauses.find((ms) => (sum += ms) >= 5_000) ?? 0;
  const { host } = scene.registry;
  assertEquals(warnings, [`${row.why(host)}, retrying in ${Math.ceil(pause / 1000)} s`]);
  assert(error.message.includes(`answered ${row.status} after 9 attempts`), error.message);
});

Deno.test("RemoteClient ends a pause in time although the clock is set back", async () => {
  const systemNow = Date.now;
  using stack = new DisposableStack();
  stack.defer(() => Date.now = systemNow);
  const throttle = busy(429, "0.01");
  await using scene = makeScene([
    on({ kind: "manifest", nth: 1 }, async (...args) => {
      const answer = await throttle(...args);
      // After the client has received the response.
      setTimeout(() => Date.now = () => systemNow() - 3_600_000, 5);
      return answer;
    }),
  ]);
  using client = new RemoteClient({ credentials: "none", backoff: { firstMs: 100, maxMs: 100 } });

  const signal = AbortSignal.timeout(10_000);
  const { descriptor } = await client.document(scene.reference, { signal });

  assertEquals(descriptor.digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient does not warn of short retries", async () => {
  await using scene = makeScene([on({ kind: "manifest", nth: [1, 2] }, respond(429))]);
  const warnings: string[] = [];
  const clock = new FakeClock();
  using client = testClient({ clock, onWarning: (message) => warnings.push(message) });

  await client.document(scene.reference);

  assertEquals(warnings, []);
});

Deno.test("RemoteClient does not wait longer than maxWaitMs, and reports when to try again", async () => {
  await using scene = makeScene([
    on("manifest", withHeaders({ "ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0" })),
    on("manifest", busy(429, 301)),
  ]);
  const clock = new FakeClock();
  using client = testClient({ clock });

  const before = Date.now();
  const error = await assertRejects(() => client.document(scene.reference), RateLimitError);

  assertEquals(clock.pauses, []);
  assertEquals(error.retryAfterMs, 301_000);
  const [, time = ""] = /in 301 s, at (\S+Z),/.exec(error.message) ?? [];
  assert(Date.parse(time) >= before + 301_000, error.message);
  assertEquals([error.limit, error.remaining], ["100;w=21600", "0"]);
  assert(error.message.includes("(limit 100;w=21600, remaining 0)"), error.message);
});

Deno.test.each([
  { remaining: "0;w=21600", attempts: 1 },
  { remaining: "0", attempts: 1 },
  { remaining: "0;w=60", attempts: 3 },
  { remaining: "7;w=21600", attempts: 3 },
  { remaining: undefined, attempts: 3 },
])("RemoteClient makes $attempts attempts with $remaining requests left", async (row) => {
  await using scene = makeScene([
    on("manifest", withHeaders({ "ratelimit-limit": "100;w=21600" })),
    on("manifest", withHeaders({ "ratelimit-remaining": row.remaining })),
    on("manifest", registryError(429, "TOOMANYREQUESTS", "upgrade at hub.example/rate")),
  ]);
  using client = testClient({ retries: 2 });

  const error = await assertRejects(
    () => client.document(scene.reference),
    RateLimitError,
    ', "upgrade at hub.example/rate" (limit 100;w=21600, remaining',
  );

  assertEquals(error.attempts, row.attempts);
});

Deno.test("RemoteClient treats TOOMANYREQUESTS as a rate limit with any status", async () => {
  await using scene = makeScene([on("manifest", registryError(403, "TOOMANYREQUESTS"))]);
  using client = testClient({ retries: 1 });

  const error = await assertRejects(() => client.document(scene.reference), RateLimitError);

  assertEquals([error.registryCode, error.attempts], ["TOOMANYREQUESTS", 2]);
});

Deno.test.each([429, 503])(
  "RemoteClient.resolve() repeats HEAD after the pause that %i requests",
  async (status) => {
    await using scene = makeScene([on({ kind: "manifest", times: 1 }, busy(status, 10))]);
    const clock = new FakeClock();
    using client = testClient({ clock });

    const { digest } = await client.resolve(scene.reference);

    assertEquals(digest, scene.image.descriptor.digest);
    assertEquals(scene.registry.requests.map(({ method }) => method), ["HEAD", "HEAD"]);
    assertEquals(clock.pauses, [10_000]);
  },
);

Deno.test.each([429, 503])(
  "RemoteClient.resolve() sends GET after the second pause that %i requests for HEAD",
  async (status) => {
    await using scene = makeScene([on({ kind: "manifest", method: "HEAD" }, busy(status, 10))]);
    const clock = new FakeClock();
    using client = testClient({ clock });

    const { digest } = await client.resolve(scene.reference);

    assertEquals(digest, scene.image.descriptor.digest);
    const { requests } = scene.registry;
    assertEquals(requests.map(({ method }) => method), ["HEAD", "HEAD", "GET"]);
    assertEquals(clock.pauses, [10_000, 10_000]);
  },
);

Deno.test("RemoteClient.resolve() does not send GET if the requested pause is too long", async () => {
  await using scene = makeScene([on({ kind: "manifest", method: "HEAD" }, busy(429, 301))]);
  using client = testClient({ clock: new FakeClock() });

  const error = await assertRejects(() => client.resolve(scene.reference), RateLimitError);

  assertEquals(error.retryAfterMs, 301_000);
  assertEquals(scene.registry.requests.map(({ method }) => method), ["HEAD"]);
});

Deno.test("RemoteClient.resolve() does not send GET if the second pause is too long", async () => {
  await using scene = makeScene([
    on({ kind: "manifest", method: "HEAD", times: 1 }, busy(429, 10)),
    on({ kind: "manifest", method: "HEAD" }, busy(429, 301)),
  ]);
  const clock = new FakeClock();
  using client = testClient({ clock });

  const error = await assertRejects(() => client.resolve(scene.reference), RateLimitError);

  assertEquals(error.retryAfterMs, 301_000);
  assertEquals(scene.registry.requests.map(({ method }) => method), ["HEAD", "HEAD"]);
  assertEquals(clock.pauses, [10_000]);
});

Deno.test("RemoteClient pauses all requests to a host that reports too many", async () => {
  await using scene = makeScene([on({ kind: "manifest", times: 1 }, busy(429, 10))]);
  const clock = new FakeClock();
  using client = testClient({ clock });
  const other = { ...scene.reference, repository: "a/other" };

  const started = clock.time;
  await client.document(scene.reference);
  await assertRejects(() => client.document(other), NotFoundError);

  assertEquals(clock.time - started, 10_000);
});
