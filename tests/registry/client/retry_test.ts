import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { NetworkError, NotFoundError, RegistryError } from "../../../registry/mod.ts";
import { Retry } from "../../../registry/transport/retry.ts";
import { gzip } from "../../_support/compress.ts";
import { unusedAddress } from "../../_support/connections.ts";
import {
  badGateway,
  cut,
  drop,
  on,
  respond,
  stall,
  tokenAuth,
  wire,
  withHeaders,
} from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { FakeClock, makeScene, testClient } from "../_client.ts";

Deno.test.each([408, 425, 429, 499, 500, 502, 503, 504, 520, 522, 524])(
  "RemoteClient retries after status %i",
  async (status) => {
    await using scene = makeScene([on({ kind: "manifest", nth: [1, 2] }, respond(status))]);
    using client = testClient();

    const { descriptor } = await client.document(scene.reference);

    assertEquals(descriptor.digest, scene.image.descriptor.digest);
    assertEquals(scene.registry.requests.length, 3);
  },
);

Deno.test.each([400, 401, 403, 404, 410, 418, 501, 505, 525])(
  "RemoteClient does not retry after status %i",
  async (status) => {
    await using scene = makeScene([on("manifest", respond(status))]);
    using client = testClient({ plainHttp: true });

    const error = await assertRejects(() => client.document(scene.reference), RegistryError);

    assertEquals([error.status, error.retryable, error.attempts], [status, false, 1]);
    assertEquals(scene.registry.seen("manifest").length, 1);
  },
);

Deno.test("RemoteClient retries after cuts and stalls, even within a manifest", async () => {
  using time = manualTime();
  const stalls = [2, 3].map(() => Promise.withResolvers<void>());
  const pauses = [1, 2, 3, 4, 5].map(() => Promise.withResolvers<void>());
  await using scene = makeScene([
    on({ kind: "manifest", nth: 1 }, cut(10)),
    on({ kind: "manifest", nth: 2 }, stall(10, stalls[0]?.resolve)),
    on({ kind: "manifest", nth: 3 }, stall(-1, stalls[1]?.resolve)),
    on({ kind: "manifest", nth: 4 }, drop()),
    on({ kind: "manifest", nth: 5 }, badGateway()),
  ]);
  const clock = new FakeClock();
  const { sleep } = clock;
  clock.sleep = (...args) => {
    pauses[clock.pauses.length]?.resolve();
    return sleep.apply(clock, args);
  };
  using client = testClient({ clock, stallTimeoutMs: 1000 });

  const reading = client.document(scene.reference);
  for (const [i, { promise }] of stalls.entries()) {
    await promise;
    await time.passUntil(1000, pauses[i + 1]?.promise ?? Promise.resolve());
  }
  const { descriptor } = await reading;

  assertEquals(descriptor.digest, scene.image.descriptor.digest);
});

Deno.test("RemoteClient pauses for a random part of a bound that doubles", async () => {
  await using scene = makeScene([on("manifest", respond(503))]);
  const clock = new FakeClock();
  clock.random = () => 0.5;
  using client = testClient({ clock, retries: 4, backoff: { firstMs: 100, maxMs: 300 } });

  await assertRejects(() => client.document(scene.reference), RegistryError, "after 5 attempts");

  assertEquals(clock.pauses, [50, 100, 150, 150]);
});

Deno.test("RemoteClient gives up early on a registry that has never responded", async () => {
  await using scene = makeScene();
  using client = testClient();
  const reference = { ...scene.reference, registry: unusedAddress() };

  const error = await assertRejects(() => client.resolve(reference), NetworkError);

  assertEquals([error.reason, error.attempts], ["refused", 3]);
  assert(error.message.includes(`connection refused by ${reference.registry}`), error.message);
});

Deno.test("RemoteClient gives up early on a token server that has never responded", async () => {
  const realm = `http://${unusedAddress()}/token`;
  await using scene = makeScene([on({}, tokenAuth({ realm: () => realm }).fault)]);
  using client = testClient();

  const error = await assertRejects(() => client.resolve(scene.reference), NetworkError);

  assertEquals([error.reason, error.attempts], ["refused", 3]);
});

Deno.test("RemoteClient does not wait for a long error body", async () => {
  using time = manualTime();
  const requested = Promise.withResolvers<void>();
  const body = "no ".repeat(1000);
  await using scene = makeScene([
    on("manifest", wire({ pieceSize: 1, pauseMs: 50 })),
    on("manifest", (...args) => {
      requested.resolve();
      return respond(404, {}, body)(...args);
    }),
  ]);
  using client = testClient();

  const failing = assertRejects(() => client.document(scene.reference), NotFoundError);
  await requested.promise;
  await time.passUntil(50, failing);

  assertLess(scene.registry.bytesSent("manifest"), body.length);
});

Deno.test.each(
  [
    { reason: "protocol", isKnown: false, attempts: 3 },
    { reason: "protocol", isKnown: true, attempts: 9 },
    { reason: "name", isKnown: false, attempts: 3 },
    { reason: "cut", isKnown: false, attempts: 9 },
  ] as const,
)(
  "Retry makes $attempts attempts for $reason if the host is known: $isKnown",
  async ({ reason, isKnown, attempts }) => {
    const error = new NetworkError("Cannot go on", { url: "https://h/v2/", reason });
    const delays = { maxWaitMs: 0, firstDelayMs: 1, maxDelayMs: 1 };
    const policy = { retries: 8, stalls: 8, ...delays, clock: new FakeClock() };
    const retry = new Retry({ ...policy, isKnown: () => isKnown });
    let made = 0;

    const attempt = async () => {
      for (;;) {
        made++;
        await retry.after(error);
      }
    };

    await assertRejects(attempt, NetworkError);
    assertEquals(made, attempts);
  },
);

Deno.test("RemoteClient names a host that has no address", async () => {
  await using scene = makeScene();
  using client = testClient();
  const reference = { ...scene.reference, registry: "no-such-host.invalid" };

  const error = await assertRejects(
    () => client.resolve(reference),
    NetworkError,
    "cannot resolve the name of no-such-host.invalid",
  );

  assertEquals(error.reason, "name");
});

Deno.test("RemoteClient quotes the message of the registry, shortened and on one line", async () => {
  const errors = [{ code: "UNSUPPORTED", message: `line\none\x1b[31m ${"x".repeat(1000)}` }];
  const headers = { "content-type": "application/json", "x-request-id": "id-1" };
  const body = JSON.stringify({ errors });
  await using scene = makeScene([on("manifest", respond(418, headers, body))]);
  using client = testClient();

  const error = await assertRejects(() => client.document(scene.reference), RegistryError);

  assertEquals([error.status, error.registryCode, error.requestId], [418, "UNSUPPORTED", "id-1"]);
  assert(error.detail?.startsWith("line one [31m xxx") && error.detail.length <= 501);
  assertEquals(error.message.includes("\n"), false);
});

Deno.test.each<{ body: string; detail: string | undefined }>([
  { body: "", detail: undefined },
  { body: "<html>teapot</html>", detail: undefined },
  { body: "<html><title>400 A teapot</title><p>short", detail: "400 A teapot" },
  {
    body: "Client sent an HTTP request to an HTTPS server.\n",
    detail: "Client sent an HTTP request to an HTTPS server.",
  },
  { body: "null", detail: undefined },
  { body: '{"errors":null}', detail: undefined },
  { body: '{"errors":[7]}', detail: undefined },
  { body: '{"details":"wrong password"}', detail: "wrong password" },
  {
    body: '{"errors":[{"code":"X","message":"invalid","detail":{"message":"no version"}}]}',
    detail: "invalid: no version",
  },
  {
    body: '{"errors":[{"code":"X","message":"invalid","detail":{"description":"HTTP 403"}}]}',
    detail: "invalid: HTTP 403",
  },
  {
    body: '{"errors":[{"code":"X","message":"unknown blob","detail":"sha256:00"}]}',
    detail: "unknown blob: sha256:00",
  },
  { body: '{"errors":[{"code":"X","message":"no","detail":"no"}]}', detail: "no" },
  { body: '{"error":"invalid","error_description":"no such user"}', detail: "no such user" },
  { body: '{"error":{"code":403,"message":"no access"}}', detail: "no access" },
  { body: '{"error":{"id":1},"message":"no quota"}', detail: "no quota" },
  { body: `{"message":"see https://h/?sig=s3cret"}`, detail: "see https://h/?sig=***" },
  {
    body: '<?xml version="1.0"?>\n<Error><Code>AccessDenied</Code><Message>Request &quot;x&quot; ' +
      "has expired</Message></Error>",
    detail: 'Request "x" has expired',
  },
  {
    body: "\ufeff<Error><Code>AuthenticationFailed</Code><Message>no\nsig=s3cret</Message></Error>",
    detail: "no sig=s3cret",
  },
  { body: `{"message":"${"x".repeat(70_000)}"}`, detail: undefined },
])("RemoteClient reads the error body $detail", async ({ body, detail }) => {
  await using scene = makeScene([on("manifest", respond(418, {}, body))]);
  using client = testClient();

  const error = await assertRejects(() => client.document(scene.reference), RegistryError);

  assertEquals(error.detail, detail);
});

Deno.test.each(["gzip", "aws-chunked"])(
  "RemoteClient decodes an error body with the content coding %s",
  async (coding) => {
    const body = JSON.stringify({ errors: [{ code: "DENIED", message: "not today" }] });
    const fault = respond(
      418,
      { "content-encoding": coding },
      coding === "gzip" ? gzip(new TextEncoder().encode(body)) : body,
    );
    await using scene = makeScene([on("manifest", fault)]);
    using client = testClient();

    const error = await assertRejects(() => client.document(scene.reference), RegistryError);

    assertEquals([error.registryCode, error.detail], ["DENIED", "not today"]);
  },
);

Deno.test("RemoteClient passes a warning of a registry on once", async () => {
  const warning = '299 - "this goes \\"away\\""';
  await using scene = makeScene([on("manifest", withHeaders({ warning }))]);
  const warnings: string[] = [];
  using client = testClient({ onWarning: (message) => warnings.push(message) });

  await client.resolve(scene.reference);
  await client.resolve(scene.reference);

  assertEquals(warnings, [`${scene.registry.host} warns: this goes "away"`]);
});

Deno.test.each([
  { name: "retries", value: -1 },
  { name: "retries", value: 1.5 },
  { name: "maxConnections", value: 0 },
  { name: "connections", value: 0 },
  { name: "stallTimeoutMs", value: 0 },
  { name: "maxManifestBytes", value: 64 * 1024 * 1024 + 1 },
  { name: "maxLayers", value: 501 },
  { name: "backoff", value: { firstMs: NaN, maxMs: 1 } },
  { name: "backoff", value: { firstMs: 1, maxMs: -1 } },
])("RemoteClient refuses $name of $value", ({ name, value }) => {
  let error: unknown;
  try {
    using _ = testClient({ [name]: value });
  } catch (caught) {
    error = caught;
  }

  assert(error instanceof RangeError && error.message.includes(`"${name}`));
});
