import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NetworkError, RateLimitError, RegistryError } from "../../../registry/mod.ts";
import { OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { drop, on } from "../../_support/faulty_registry.ts";
import { blobOf, type BuiltBlob } from "../../_support/image.ts";
import { type PushOptions, pushTo, SMALL } from "../../_support/push.ts";
import {
  type Interference,
  type WritableRegistry,
  writableRegistry,
} from "../../_support/writable_registry.ts";
import { makeScene, testClient } from "../_client.ts";

const MIB = 1024 * 1024;
const LARGE = blobOf(OCI_LAYER, noise(9 * MIB));

/** Pushes a blob, and returns its size in the registry. */
async function push(
  registry: WritableRegistry,
  blob: BuiltBlob,
  options?: PushOptions,
): Promise<number | undefined> {
  await pushTo(registry, blob, options);
  return await registry.content.size("a/b", blob.descriptor.digest);
}

function countOf({ requests }: WritableRegistry, method: string): number {
  return requests.filter((request) => request.method === method).length;
}

async function refuse(
  { body }: Request,
  status: number,
  code?: string,
): Promise<Response> {
  await body?.cancel();
  return Response.json(code === undefined ? {} : { errors: [{ code }] }, { status });
}

/** Stores one MiB of the first large body, and then fails. */
function cutOnce(interfere: Interference): Interference {
  let isCut = false;
  return async (request, next) => {
    const { method, url, headers, body } = request;
    if (method !== "PATCH" || isCut) return await interfere(request, next);
    isCut = true;
    await body?.cancel();
    await next(new Request(url, { method, headers, body: LARGE.bytes.slice(0, MIB) }));
    return new Response(null, { status: 502 });
  };
}

// As in Pulp before 2.28 and in other registries that do not implement the request.
Deno.test.each([400, 403, 404, 405, 500, 501])(
  "pushBlob() starts again after a cut if the request for the progress is answered with %i",
  async (status) => {
    await using registry = writableRegistry({
      interfere: cutOnce((request, next) => {
        return request.method === "GET" ? refuse(request, status) : next();
      }),
    });

    assertEquals(await push(registry, LARGE), LARGE.bytes.length);

    assertEquals(countOf(registry, "POST"), 2);
  },
);

Deno.test("pushBlob() starts again if a registry reports progress that it rejects", async () => {
  let first: string | undefined;
  await using registry = writableRegistry({
    // As Amazon ECR, whose Range may stay behind the stored bytes.
    interfere: cutOnce((request, next) => {
      const { pathname } = new URL(request.url);
      if (request.method !== "PATCH") return next();
      first ??= pathname;
      return pathname === first ? refuse(request, 416, "BLOB_UPLOAD_INVALID") : next();
    }),
  });

  assertEquals(await push(registry, LARGE), LARGE.bytes.length);

  assertEquals(countOf(registry, "POST"), 2);
});

Deno.test("pushBlob() starts again if an upload in several parts cannot be completed", async () => {
  let isResumed = false;
  await using registry = writableRegistry({
    // As Amazon ECR, if a part is smaller than 5 MiB.
    interfere: cutOnce((request, next) => {
      if (request.method === "POST") isResumed = false;
      isResumed ||= request.headers.has("content-range");
      return request.method === "PUT" && isResumed ? refuse(request, 500) : next();
    }),
  });

  assertEquals(await push(registry, LARGE), LARGE.bytes.length);

  assertEquals(countOf(registry, "PUT"), 3);
});

for (const blob of [SMALL, LARGE]) {
  const { length } = blob.bytes;
  Deno.test(`pushBlob() starts again once if an upload of ${length} bytes is invalid`, async () => {
    for (const times of [1, 9]) {
      let left = times;
      await using registry = writableRegistry({
        interfere: (request, next) => {
          if (request.method !== "PUT" || left-- <= 0) return next();
          return refuse(request, 400, "BLOB_UPLOAD_INVALID");
        },
      });

      if (times === 1) assertEquals(await push(registry, blob), length);
      else await assertRejects(() => push(registry, blob), RegistryError, "BLOB_UPLOAD_INVALID");

      assertEquals(countOf(registry, "PUT"), 2);
    }
  });
}

Deno.test.each([{ range: undefined }, { range: "0-0" }])(
  "pushBlob() sends chunks to a server that ignores a stream and reports the range $range",
  async ({ range }) => {
    const { ca, cert, key } = await makeServerTls();
    await using registry = writableRegistry({
      tls: { cert, key },
      interfere: async (request, next) => {
        const { method, headers, url } = request;
        if (method !== "PATCH" || headers.has("content-length")) return await next();
        await request.body?.cancel();
        const answer = await next(new Request(url, { method, headers }));
        answer.headers.delete("range");
        if (range !== undefined) answer.headers.set("range", range);
        return answer;
      },
    });

    // With a client certificate, streams are sent without a length.
    const clientCertificate = { cert, key };
    const size = await push(registry, LARGE, { caCerts: [ca], clientCertificate });

    assertEquals(size, LARGE.bytes.length);
    assertEquals([countOf(registry, "POST"), countOf(registry, "PATCH")], [2, 4]);
  },
);

Deno.test("pushBlob() gives up if a registry always loses an upload in chunks", async () => {
  await using registry = writableRegistry({
    interfere: (request, next) => {
      if (Number(request.headers.get("content-length")) > 5 * MIB) return refuse(request, 413);
      return request.method === "PUT" ? refuse(request, 404, "BLOB_UPLOAD_UNKNOWN") : next();
    },
  });

  await assertRejects(() => push(registry, LARGE), RegistryError, "BLOB_UPLOAD_UNKNOWN");

  assertEquals(countOf(registry, "PUT"), 4);
});

Deno.test.each([500, 502])(
  "pushBlob() gives up if a registry loses each upload in chunks after %i",
  async (status) => {
    await using registry = writableRegistry({
      interfere: (request, next) => {
        if (Number(request.headers.get("content-length")) > 5 * MIB) return refuse(request, 413);
        if (request.method === "PUT") return refuse(request, status);
        return request.method === "GET" ? refuse(request, 404) : next();
      },
    });

    await assertRejects(() => push(registry, LARGE, { retries: 3 }), RegistryError, `${status}`);

    assertEquals(countOf(registry, "PUT"), 4);
  },
);

Deno.test.each([
  { status: 403, code: undefined, isSent: true },
  { status: 403, code: "DENIED", isSent: false },
  { status: 405, code: undefined, isSent: true },
  { status: 405, code: "UNSUPPORTED", isSent: true },
])(
  "pushBlob() sends a blob with PUT if PATCH is answered with $status $code: $isSent",
  async (row) => {
    let left = 1;
    await using registry = writableRegistry({
      interfere: async (request, next) => {
        if (request.method === "PATCH") return await refuse(request, row.status, row.code);
        // The first body is cut, so that nothing else than a new upload helps.
        if (request.method === "PUT" && left-- > 0) return await refuse(request, 502);
        return await next();
      },
    });

    if (row.isSent) assertEquals(await push(registry, LARGE), LARGE.bytes.length);
    else await assertRejects(() => push(registry, LARGE), RegistryError, "403 DENIED");

    assertEquals(countOf(registry, "PUT"), row.isSent ? 2 : 0);
  },
);

Deno.test.each([400, 411])(
  "pushBlob() sends a length to a server that rejects PATCH, and a stream with %i",
  async (status) => {
    const { ca, cert, key } = await makeServerTls();
    await using registry = writableRegistry({
      tls: { cert, key },
      interfere: async (request, next) => {
        if (request.method === "PATCH") return await refuse(request, 405);
        const isStream = request.method === "PUT" && !request.headers.has("content-length");
        return isStream ? await refuse(request, status, "DIGEST_INVALID") : await next();
      },
    });

    // With a client certificate, streams are sent without a length.
    const clientCertificate = { cert, key };
    const size = await push(registry, LARGE, { caCerts: [ca], clientCertificate });

    assertEquals(size, LARGE.bytes.length);
    assertEquals([countOf(registry, "PATCH"), countOf(registry, "PUT")], [1, 2]);
  },
);

Deno.test("pushBlob() gives up if both PATCH and PUT are refused", async () => {
  await using registry = writableRegistry({
    interfere: (request, next) => {
      const { method } = request;
      return method === "PATCH" || method === "PUT" ? refuse(request, 403) : next();
    },
  });

  await assertRejects(() => push(registry, LARGE), RegistryError, "answered 403");

  assertEquals([countOf(registry, "PATCH"), countOf(registry, "PUT")], [1, 1]);
});

Deno.test.each([301, 307, 400, 403, 405, 409, 416, 422, 429, 500, 501, 503])(
  "pushBlob() uploads if a mount is answered with %i",
  async (status) => {
    await using registry = writableRegistry({
      interfere: (request, next) => {
        return request.url.includes("mount=") ? new Response(null, { status }) : next();
      },
    });

    assertEquals(await push(registry, SMALL, { mountFrom: "c/d" }), SMALL.bytes.length);
  },
);

Deno.test("pushBlob() advises no other tag if a registry answers 409", async () => {
  await using registry = writableRegistry({
    interfere: () => new Response(null, { status: 409 }),
  });

  const error = await assertRejects(() => push(registry, SMALL), RegistryError, "answered 409");

  assertEquals(error.advice, undefined);
});

Deno.test("pushBlob() uses all retries once if a registry limits mounts and uploads", async () => {
  await using registry = writableRegistry({ interfere: (request) => refuse(request, 429) });

  await assertRejects(
    () => push(registry, SMALL, { mountFrom: "c/d", retries: 3 }),
    RateLimitError,
    "answered 429",
  );

  assertEquals(countOf(registry, "POST"), 5);
});

Deno.test("pushBlob() uploads if a failed mount begins an upload without an address", async () => {
  await using registry = writableRegistry({
    interfere: (request, next) => {
      return request.url.includes("mount=") ? new Response(null, { status: 202 }) : next();
    },
  });

  assertEquals(await push(registry, SMALL, { mountFrom: "c/d" }), SMALL.bytes.length);
});

Deno.test("pushBlob() advises creating a repository if the registry only disconnects", async () => {
  await using scene = makeScene([on({ path: /uploads/ }, drop())]);
  using client = testClient({ retries: 1 });
  const open = () => Promise.resolve(new Blob([SMALL.bytes]).stream());

  const error = await assertRejects(
    () => client.pushBlob(scene.reference, SMALL.descriptor, open),
    NetworkError,
    "failed",
  );

  assertEquals(error.advice?.startsWith("Check that the repository exists"), true);
});

Deno.test("pushBlob() names the target of a redirect that it does not follow", async () => {
  await using registry = writableRegistry({
    interfere: () => {
      const headers = { location: "https://registry.example/v2/?sig=s3cret" };
      return new Response("<title>301 Moved Permanently</title>", { status: 301, headers });
    },
  });

  const error = await assertRejects(
    () => push(registry, SMALL),
    RegistryError,
    "redirects the write to https://registry.example with 301, which is not safe to follow",
  );
  assertEquals(error.advice, "Check the name of the registry");
});

Deno.test("pushBlob() does not take a host from the path of a Location", async () => {
  await using other = writableRegistry();
  const path = `//${other.host}/blobs/uploads/`;
  await using registry = writableRegistry({
    interfere: async (request) => {
      await request.body?.cancel();
      const { origin, pathname } = new URL(request.url);
      const isThere = pathname === path;
      const location = isThere ? `http://127.0.0.1:1${path}x` : `${origin}${path}`;
      return new Response(null, { status: isThere ? 202 : 307, headers: { location } });
    },
  });

  await push(registry, SMALL);

  assertEquals(other.seen(), []);
});

Deno.test("pushBlob() reports an upload without an address", async () => {
  await using registry = writableRegistry({
    interfere: async (_, next) => {
      const answer = await next();
      answer.headers.delete("location");
      return answer;
    },
  });

  await assertRejects(
    () => push(registry, SMALL),
    RegistryError,
    "answered 202 without a Location for the upload",
  );
});

Deno.test.each<{ what: string; change: (location: URL) => void }>([
  { what: "without the port", change: (location) => location.port = "" },
  { what: "with the scheme of a proxy", change: (location) => location.protocol = "https:" },
  { what: "with the port of a server behind a proxy", change: (location) => location.port = "1" },
])("pushBlob() sends an upload to the registry if its Location is $what", async ({ change }) => {
  await using registry = writableRegistry({
    interfere: async (_, next) => {
      const answer = await next();
      const location = URL.parse(answer.headers.get("location") ?? "", `http://${registry.host}`);
      if (location?.pathname.includes("/uploads/")) {
        change(location);
        answer.headers.set("location", location.href);
      }
      return answer;
    },
  });

  assertEquals(await push(registry, LARGE), LARGE.bytes.length);
});

Deno.test("pushBlob() sends no upload to https on the port of a server without TLS", async () => {
  await using registry = writableRegistry({
    interfere: async (request) => {
      await request.body?.cancel();
      const headers = { location: `https://${registry.host}/elsewhere?sig=1` };
      return new Response(null, { status: request.method === "POST" ? 202 : 201, headers });
    },
  });

  await push(registry, SMALL);

  const path = registry.requests.at(-1)?.path ?? "";
  assertStringIncludes(path, "/elsewhere?sig=1&digest=sha256");
});

Deno.test("pushBlob() resumes an upload that is empty according to the registry", async () => {
  await using registry = writableRegistry({
    interfere: async (request, next) => {
      if (request.method === "PATCH" && countOf(registry, "PATCH") === 1) {
        return await refuse(request, 502);
      }
      const answer = await next();
      // As Gitea reports it.
      if (request.method === "GET") answer.headers.set("range", "0--1");
      return answer;
    },
  });

  assertEquals(await push(registry, LARGE), LARGE.bytes.length);

  assertEquals(countOf(registry, "POST"), 1);
});
