import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  AuthError,
  formatReference,
  NotFoundError,
  parseReference,
  RegistryError,
} from "../../../registry/mod.ts";
import { digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { blobOf } from "../../_support/image.ts";
import {
  interfereWith,
  LARGE,
  opener,
  pushTo,
  shapes,
  SMALL,
  stored,
} from "../../_support/push.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { FakeClock, testClient } from "../_client.ts";
import { cuttingRegistry } from "./_cutting_registry.ts";

const MIB = 1024 * 1024;

Deno.test("pushBlob() sends a small blob with one POST and one PUT", async () => {
  await using registry = writableRegistry();

  await pushTo(registry, SMALL);

  assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
  assertEquals(shapes(registry), [
    "POST a/b/blobs/uploads/",
    "PUT a/b/blobs/uploads/ID?digest=DIGEST",
  ]);
  assertEquals(registry.requests[1]?.headers.get("content-length"), "300000");
});

Deno.test("pushBlob() streams a large blob with PATCH", async () => {
  await using registry = writableRegistry();
  const seen: number[] = [];

  await pushTo(registry, LARGE, { onBytes: (bytes) => seen.push(bytes) });

  assertEquals(await stored(registry, LARGE), LARGE.descriptor.digest);
  assertEquals(registry.requests.map(({ method }) => method), ["POST", "PATCH", "PUT"]);
  assertEquals(registry.requests[1]?.headers.get("content-length"), `${LARGE.bytes.length}`);
  assertEquals(seen.at(-1), LARGE.bytes.length);
});

Deno.test("pushBlob() pushes the empty blob", async () => {
  await using registry = writableRegistry();
  const empty = blobOf(OCI_LAYER, new Uint8Array());

  await pushTo(registry, empty);

  assertEquals(await stored(registry, empty), empty.descriptor.digest);
});

const LOCATIONS: readonly { name: string; of: (location: URL) => string }[] = [
  { name: "absolute", of: (url) => url.href },
  { name: "relative", of: (url) => url.pathname + url.search },
  { name: "absolute with a query", of: (url) => `${url.href}?_state=a%2Bb%3D` },
  { name: "relative with a query", of: (url) => `${url.pathname}?_state=a%2Bb%3D` },
];

for (const { name, of } of LOCATIONS) {
  Deno.test(`pushBlob() follows a Location that is ${name}`, async () => {
    await using registry = writableRegistry({
      interfere: async (request, next) => {
        const answer = await next();
        const location = answer.headers.get("location");
        if (location === null || !location.includes("/uploads/")) return answer;
        answer.headers.set("location", of(new URL(location, request.url)));
        return answer;
      },
    });

    await pushTo(registry, LARGE);

    assertEquals(await stored(registry, LARGE), LARGE.descriptor.digest);
    const last = registry.requests.at(-1)?.path ?? "";
    assertEquals(last.includes("_state=a%2Bb%3D&digest="), name.endsWith("query"), last);
  });
}

Deno.test("pushBlob() accepts 202 and 204 where 201 is expected", async () => {
  for (const status of [200, 202, 204]) {
    await using registry = writableRegistry({
      interfere: interfereWith("PUT", 1, async (_, next) => {
        const answer = await next();
        return new Response(null, { status, headers: answer.headers });
      }),
    });

    await pushTo(registry, SMALL);

    assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
  }
});

Deno.test("pushBlob() accepts 200, 201 and 204 where 202 is expected", async () => {
  for (const status of [200, 201, 204]) {
    await using registry = writableRegistry({
      interfere: interfereWith("POST", 1, async (_, next) => {
        const answer = await next();
        return new Response(null, { status, headers: answer.headers });
      }),
    });

    await pushTo(registry, SMALL);

    assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
    assertEquals(registry.requests.map(({ method }) => method), ["POST", "PUT"]);
  }
});

Deno.test("pushBlob() mounts a blob of another repository", async () => {
  await using registry = writableRegistry();
  await pushTo(registry, SMALL);
  registry.forget();
  using client = testClient();

  const how = await client.pushBlob(
    parseReference(`${registry.host}/c/d`),
    SMALL.descriptor,
    () => Promise.reject(new Error("the bytes are not needed")),
    { mountFrom: "a/b" },
  );

  assertEquals(how, "mounted");
  assertEquals(registry.requests.map(({ method, status }) => [method, status]), [["POST", 201]]);
});

Deno.test("pushBlob() uploads in the session that a failed mount begins", async () => {
  await using registry = writableRegistry();

  assertEquals(await pushTo(registry, SMALL, { mountFrom: "x/y" }), undefined);

  assertEquals(registry.requests.map(({ method }) => method), ["POST", "PUT"]);
});

Deno.test("pushBlob() resumes an upload that is cut every MiB, with few bytes sent twice", async () => {
  const blob = blobOf(OCI_LAYER, noise(64 * MIB));
  await using registry = cuttingRegistry(MIB);

  await pushTo(registry, blob, { retries: 2 });

  assertEquals(digestOf(registry.blob ?? new Uint8Array()), blob.descriptor.digest);
  assert(registry.cuts >= 60, `${registry.cuts} cuts`);
  assert(registry.bytes <= 1.05 * blob.bytes.length, `${registry.bytes} bytes were sent`);
});

Deno.test("pushBlob() starts again when the registry has lost the session", async () => {
  await using registry = writableRegistry({
    interfere: interfereWith("PATCH", 1, async (request) => {
      await request.body?.cancel();
      return Response.json({ errors: [{ code: "BLOB_UPLOAD_UNKNOWN" }] }, { status: 404 });
    }),
  });

  await pushTo(registry, LARGE);

  assertEquals(await stored(registry, LARGE), LARGE.descriptor.digest);
  assertEquals(registry.requests.filter(({ method }) => method === "POST").length, 2);
});

Deno.test("pushBlob() succeeds if only the response to the last PUT was lost", async () => {
  await using registry = writableRegistry({
    interfere: interfereWith("PUT", 1, async (_, next) => {
      await next();
      return new Response("gateway", { status: 502 });
    }),
  });

  await pushTo(registry, SMALL);

  assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
  assertEquals(registry.requests.filter(({ method }) => method === "PUT").length, 1);
});

Deno.test("pushBlob() waits for the time in Retry-After", async () => {
  const clock = new FakeClock();
  await using registry = writableRegistry({
    interfere: interfereWith(
      "POST",
      1,
      () => new Response(null, { status: 503, headers: { "retry-after": "7" } }),
    ),
  });

  await pushTo(registry, SMALL, { clock });

  assertEquals(clock.pauses, [7000]);
});

const REFUSALS = [
  { status: 413, code: "SIZE_INVALID", message: "layers may have 1 GB" },
  { status: 405, code: "UNSUPPORTED", message: "pull-through caches are read-only" },
  { status: 403, code: "DENIED", message: "quota exceeded" },
  { status: 401, code: "UNAUTHORIZED", message: "token is for pulling" },
] as const;

for (const { status, code, message } of REFUSALS) {
  Deno.test(`pushBlob() passes on the message of a registry with ${status}`, async () => {
    await using registry = writableRegistry({
      interfere: interfereWith("PUT", 9, async (request) => {
        await request.body?.cancel();
        return Response.json({ errors: [{ code, message }] }, { status });
      }),
    });

    const error = await assertRejects(() => pushTo(registry, SMALL), RegistryError);

    assertEquals([error.status, error.registryCode], [status, code]);
    assertMatch(error.message, new RegExp(`${status} ${code}.*${message}`));
    assertEquals(error instanceof AuthError, status < 404);
    assert(error.advice !== undefined, "there is no advice");
  });
}

Deno.test("pushBlob() sends no credential to another host in a Location", async () => {
  const leaked: (string | null)[] = [];
  await using other = writableRegistry({
    interfere: async (request) => {
      leaked.push(request.headers.get("authorization"));
      await request.body?.cancel();
      return new Response(null, { status: 201 });
    },
  });
  await using registry = writableRegistry({
    authenticate: (request) =>
      request.headers.get("authorization") === `Basic ${btoa("u:p")}`
        ? undefined
        : new Response(null, { status: 401, headers: { "www-authenticate": 'Basic realm="x"' } }),
    interfere: interfereWith("POST", 2, async (_, next) => {
      const answer = await next();
      if (answer.status !== 202) return answer;
      answer.headers.set("location", `http://${other.host}/upload?sig=1`);
      return answer;
    }),
  });
  using client = testClient();

  await client.pushBlob(
    parseReference(`${registry.host}/a/b`),
    SMALL.descriptor,
    opener(SMALL),
    { auth: { username: "u", password: "p" } },
  );

  assertEquals(leaked, [null]);
  assertMatch(other.seen()[0] ?? "", /^PUT \/upload\?sig=1&digest=sha256%3A/);
});

Deno.test("pushBlob() rejects with the reason of the signal", async () => {
  await using registry = writableRegistry();
  using client = testClient();
  const controller = new AbortController();

  await assertRejects(
    () =>
      client.pushBlob(
        parseReference(`${registry.host}/a/b`),
        LARGE.descriptor,
        opener(LARGE),
        {
          signal: controller.signal,
          onBytes: () => controller.abort(new Error("enough")),
        },
      ),
    Error,
    "enough",
  );

  assertEquals(await registry.content.size("a/b", LARGE.descriptor.digest), undefined);
});

Deno.test("repositories() and delete() work on the registry", async () => {
  await using registry = writableRegistry();
  await pushTo(registry, SMALL);
  using client = testClient();
  const reference = parseReference(`${registry.host}/a/b:1`);

  assertEquals(await Array.fromAsync(client.repositories(registry.host)), ["a/b"]);
  await assertRejects(
    () => client.delete(reference, "1"),
    NotFoundError,
    `Cannot delete "${formatReference(reference)}": ${registry.host} does not have the tag "1"`,
  );
});
