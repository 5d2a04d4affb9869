import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import {
  AuthError,
  formatReference,
  parseReference,
  RegistryError,
  type RemoteClientOptions,
} from "../../../registry/mod.ts";
import { digestOf, OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { blobOf } from "../../_support/image.ts";
import {
  type Interference,
  type WritableRegistry,
  writableRegistry,
} from "../../_support/writable_registry.ts";
import { FakeClock, readAll, testClient } from "../_client.ts";
import { cuttingRegistry } from "./_cutting_registry.ts";

const MIB = 1024 * 1024;
const SMALL = blobOf(OCI_LAYER, noise(300_000));
const LARGE = blobOf(OCI_LAYER, noise(5 * MIB));

/** Opens bytes in chunks of 64 KiB. */
function opener(bytes: Uint8Array<ArrayBuffer>) {
  return ({ offset = 0 } = {}): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> => {
    let at = offset;
    return Promise.resolve(
      new ReadableStream({
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.slice(at, at + 65_536));
          at += 65_536;
        },
      }, { highWaterMark: 0 }),
    );
  };
}

async function pushTo(
  registry: Pick<WritableRegistry, "host">,
  blob: typeof SMALL,
  options: RemoteClientOptions & { mountFrom?: string; onBytes?: (bytes: number) => void } = {},
): Promise<"mounted" | void> {
  const { mountFrom, onBytes, ...clientOptions } = options;
  using client = testClient(clientOptions);
  return await client.pushBlob(
    parseReference(`${registry.host}/a/b`),
    blob.descriptor,
    opener(blob.bytes),
    { mountFrom, onBytes },
  );
}

async function stored({ content }: WritableRegistry, { descriptor }: typeof SMALL) {
  return digestOf(await readAll(await content.open("a/b", descriptor.digest)));
}

/** The requests without the parts that vary. */
function shapes(registry: WritableRegistry): readonly string[] {
  return registry.seen().map((line) =>
    line.replace(/uploads\/[^?]+/, "uploads/ID").replace(/[?&]_?state=[^&]*/, "")
      .replace(/sha256(%3A|:)[0-9a-f]+/, "DIGEST")
  );
}

/** Interferes with requests of one method, the first `times` of them. */
function on(method: string, times: number, interfere: Interference): Interference {
  let seen = 0;
  return (request, next) =>
    request.method === method && ++seen <= times ? interfere(request, next) : next();
}

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
      interfere: on("PUT", 1, async (_, next) => {
        const answer = await next();
        return new Response(null, { status, headers: answer.headers });
      }),
    });

    await pushTo(registry, SMALL);

    assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
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
    interfere: on("PATCH", 1, async (request) => {
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
    interfere: on("PUT", 1, async (_, next) => {
      await next();
      return new Response("gateway", { status: 502 });
    }),
  });

  await pushTo(registry, SMALL);

  assertEquals(await stored(registry, SMALL), SMALL.descriptor.digest);
  assertEquals(registry.requests.filter(({ method }) => method === "PUT").length, 1);
});

const UNSTREAMABLE = [
  // With a client certificate, streams are sent without a length.
  { status: 411, isTls: true },
  { status: 413, isTls: false },
] as const;
for (const { status, isTls } of UNSTREAMABLE) {
  Deno.test(`pushBlob() sends chunks of the required size after ${status} for a stream`, async () => {
    const { ca, cert, key } = await makeServerTls();
    let largest = 0;
    await using registry = writableRegistry({
      ...isTls && { tls: { cert, key } },
      interfere: async (request, next) => {
        const { headers, method } = request;
        const length = headers.get("content-length");
        if (method === "PATCH" && (isTls ? length === null : Number(length) > 9 * MIB)) {
          await request.body?.cancel();
          return new Response(null, { status });
        }
        largest = Math.max(largest, Number(length));
        const answer = await next();
        answer.headers.set("oci-chunk-min-length", String(4.5 * MIB));
        return answer;
      },
    });

    const clientCertificate = isTls ? { cert, key } : undefined;
    const tls = { caCerts: [ca], clientCertificate };
    await pushTo(registry, blobOf(OCI_LAYER, noise(10 * MIB)), tls);

    assertEquals(largest, 4.5 * MIB);
    const ranges = registry.requests.filter(({ method }) => method === "PATCH")
      .map(({ headers }) => headers.get("content-range")).filter((range) => range !== null);
    assertEquals(ranges, [
      `0-${4.5 * MIB - 1}`,
      `${4.5 * MIB}-${9 * MIB - 1}`,
      `${9 * MIB}-${10 * MIB - 1}`,
    ]);
  });
}

Deno.test.each([{ size: 5 * MIB, chunks: 5 }, { size: 1.5 * MIB, chunks: 2 }])(
  "pushBlob() sends $size bytes in $chunks chunks to a server that limits bodies to 1 MiB",
  async ({ size, chunks }) => {
    // As nginx does, unless it is configured otherwise.
    const blob = blobOf(OCI_LAYER, noise(size));
    await using registry = writableRegistry({
      interfere: async (request, next) => {
        if (Number(request.headers.get("content-length")) <= MIB) return await next();
        await request.body?.cancel();
        const headers = { "content-type": "text/html" };
        return new Response("<title>413 Request Entity Too Large</title>", {
          status: 413,
          headers,
        });
      },
    });

    await pushTo(registry, blob);

    assertEquals(await stored(registry, blob), blob.descriptor.digest);
    const accepted = registry.requests.filter(({ method, status }) => {
      return method === "PATCH" && status < 300;
    });
    assertEquals(accepted.length, chunks);
  },
);

Deno.test("pushBlob() resumes in chunks where a registry rejects a large body with a range", async () => {
  // ghcr.io limits such a body to 4 MiB.
  const blob = blobOf(OCI_LAYER, noise(10 * MIB));
  let isCut = false;
  const rejected: (string | null)[] = [];
  await using registry = writableRegistry({
    interfere: async (request, next) => {
      const { headers, method, url } = request;
      if (method !== "PATCH") return await next();
      if (!isCut) {
        isCut = true;
        await request.body?.cancel();
        await next(new Request(url, { method, headers, body: blob.bytes.slice(0, MIB) }));
        return new Response(null, { status: 502 });
      }
      const range = headers.get("content-range");
      if (range === null || Number(headers.get("content-length")) <= 4 * MIB) return await next();
      rejected.push(range);
      await request.body?.cancel();
      const errors = [{
        code: "REQUESTED_RANGE_NOT_SATISFIABLE",
        message: "the body is too large",
      }];
      return Response.json({ errors }, { status: 416 });
    },
  });

  await pushTo(registry, blob);

  assertEquals(await stored(registry, blob), blob.descriptor.digest);
  assertEquals(rejected, [`${MIB}-${10 * MIB - 1}`]);
});

Deno.test("pushBlob() sends fewer bodies at once after 429", async () => {
  let [refused, active, most] = [0, 0, 0];
  await using registry = writableRegistry({
    interfere: on("PUT", Infinity, async (request, next) => {
      if (++refused <= 4) {
        await request.body?.cancel();
        return new Response(null, { status: 429 });
      }
      most = Math.max(most, ++active);
      await new Promise((resolve) => setTimeout(resolve));
      const answer = await next();
      active--;
      return answer;
    }),
  });
  using client = testClient({ maxConnections: 4 });

  await Promise.all(Array.from({ length: 12 }, async (_, i) => {
    const { descriptor, bytes } = blobOf(OCI_LAYER, noise(300_000, i + 1));
    await client.pushBlob(parseReference(`${registry.host}/a/b`), descriptor, opener(bytes));
  }));

  assert(most < 4, `${most} bodies at once`);
});

Deno.test("pushBlob() waits for the time in Retry-After", async () => {
  const clock = new FakeClock();
  await using registry = writableRegistry({
    interfere: on(
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
      interfere: on("PUT", 9, async (request) => {
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

Deno.test("pushBlob() fails with the error of the source", async () => {
  await using registry = writableRegistry();
  using client = testClient();

  for (const blob of [SMALL, LARGE]) {
    let opened = 0;
    await assertRejects(
      () =>
        client.pushBlob(parseReference(`${registry.host}/a/b`), blob.descriptor, () => {
          opened++;
          return Promise.resolve(
            new ReadableStream({
              pull: (controller) => controller.error(new Deno.errors.NotFound("the disk is gone")),
            }),
          );
        }),
      Deno.errors.NotFound,
      "the disk is gone",
    );
    assertEquals(opened, 1);
  }
});

Deno.test("pushBlob() requests the bytes of the source while the upload begins", async () => {
  for (const blob of [SMALL, LARGE]) {
    const requested = Promise.withResolvers<void>();
    await using registry = writableRegistry({
      interfere: on("POST", 1, async (_, next) => {
        await requested.promise;
        return await next();
      }),
    });
    using client = testClient();
    const open = async (options = {}) => {
      const stream = await opener(blob.bytes)(options);
      const reader = stream.getReader();
      return new ReadableStream({
        async pull(controller) {
          requested.resolve();
          const { done, value } = await reader.read();
          if (done) controller.close();
          else controller.enqueue(value);
        },
      }, { highWaterMark: 0 });
    };

    await client.pushBlob(parseReference(`${registry.host}/a/b`), blob.descriptor, open);

    assertEquals(await stored(registry, blob), blob.descriptor.digest);
  }
});

Deno.test("pushBlob() cancels the source of an upload that does not begin", async () => {
  await using registry = writableRegistry({
    interfere: on("POST", 9, () => Response.json({ errors: [] }, { status: 403 })),
  });
  using client = testClient();
  const canceled = Promise.withResolvers<void>();
  const open = () => {
    return Promise.resolve(
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
        cancel: () => canceled.resolve(),
      }),
    );
  };
  const { descriptor } = LARGE;

  await assertRejects(
    () => client.pushBlob(parseReference(`${registry.host}/a/b`), descriptor, open),
    RegistryError,
  );

  await canceled.promise;
});

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
    interfere: on("POST", 2, async (_, next) => {
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
    opener(SMALL.bytes),
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
        opener(LARGE.bytes),
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

Deno.test("pushBlob() reads the source once more if the registry rejects the digest", async () => {
  await using registry = writableRegistry();
  using client = testClient();
  const asked: boolean[] = [];

  await client.pushBlob(
    parseReference(`${registry.host}/a/b`),
    SMALL.descriptor,
    ({ again = false } = {}) => {
      asked.push(again);
      return Promise.resolve(new Blob([again ? SMALL.bytes : noise(300_000, 7)]).stream());
    },
  );

  assertEquals(asked, [false, true]);
});

Deno.test("repositories() and delete() work on the registry", async () => {
  await using registry = writableRegistry();
  await pushTo(registry, SMALL);
  using client = testClient();
  const reference = parseReference(`${registry.host}/a/b:1`);

  assertEquals(await Array.fromAsync(client.repositories(registry.host)), ["a/b"]);
  await assertRejects(
    () => client.delete(reference, "1"),
    RegistryError,
    formatReference(reference),
  );
});

Deno.test.each([
  { name: "small", size: 1000 },
  { name: "large", size: 5 * MIB },
])(
  "RemoteClient.pushBlob() cancels the source of a $name blob that is refused",
  async ({ size }) => {
    const blob = blobOf(OCI_LAYER, noise(size));
    const canceled = Promise.withResolvers<void>();
    const read = Promise.withResolvers<void>();
    await using registry = writableRegistry({
      interfere: async (request, next) => {
        if (request.method !== "POST") return await next();
        // The source is being read.
        await read.promise;
        return new Response(null, { status: 403 });
      },
    });
    using client = testClient();
    const open = () =>
      Promise.resolve(
        new ReadableStream<Uint8Array<ArrayBuffer>>({
          pull() {
            read.resolve();
            return new Promise(() => {});
          },
          cancel: () => canceled.resolve(),
        }),
      );

    await assertRejects(
      () => client.pushBlob(parseReference(`${registry.host}/a/b`), blob.descriptor, open),
      AuthError,
    );
    await canceled.promise;
  },
);
