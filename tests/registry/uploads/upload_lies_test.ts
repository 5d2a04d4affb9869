import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { NotFoundError, parseReference, RegistryError } from "../../../registry/mod.ts";
import {
  type Digest,
  digestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from "../../../spec/mod.ts";
import { noise, toUint8Array } from "../../_support/bytes.ts";
import { blobOf, buildIndex } from "../../_support/image.ts";
import { type Interference, writableRegistry } from "../../_support/writable_registry.ts";
import { readAll, testClient } from "../_client.ts";

const MIB = 1024 * 1024;
const SMALL = blobOf(OCI_LAYER, noise(30_000));
const LARGE = blobOf(OCI_LAYER, noise(5 * MIB));

/** Pushes a blob to a registry that interferes; the source reads at its own pace. */
async function pushThrough(interfere: Interference, blob: typeof SMALL): Promise<number> {
  await using registry = writableRegistry({ interfere });
  using client = testClient();
  await client.pushBlob(
    parseReference(`${registry.host}/a/b`),
    blob.descriptor,
    ({ offset = 0 } = {}) => Promise.resolve(ReadableStream.from(pieces(blob.bytes, offset))),
  );
  const stored = await readAll(await registry.content.open("a/b", blob.descriptor.digest));
  assertEquals(stored.length, blob.bytes.length);
  return registry.requests.length;
}

/** Yields pieces, each after a turn of the event loop, as a file does. */
async function* pieces(bytes: Uint8Array<ArrayBuffer>, offset: number) {
  for (let at = offset; at < bytes.length; at += 65_536) {
    await new Promise((resolve) => setTimeout(resolve));
    yield bytes.slice(at, at + 65_536);
  }
}

/** Changes responses to requests of one method. */
function changing(method: string, change: (headers: Headers) => void): Interference {
  return async (request, next) => {
    const answer = await next();
    if (request.method === method && answer.ok) change(answer.headers);
    return answer;
  };
}

for (const status of [401, 413]) {
  Deno.test(`pushBlob() reports a ${status} that precedes the end of the body`, async () => {
    const error = await assertRejects(
      () =>
        pushThrough(async (request, next) => {
          if (request.method !== "PATCH") return await next();
          const reader = request.body?.getReader();
          await reader?.read();
          await reader?.cancel();
          return Response.json(
            { errors: [{ code: "SIZE_INVALID", message: "no more" }] },
            { status },
          );
        }, LARGE),
      RegistryError,
      "no more",
    );
    assertEquals(error.status, status);
  });
}

for (const method of ["POST", "PATCH"]) {
  for (const range of ["0-99999999999", `0-${"9".repeat(400)}`]) {
    const shown = range.slice(0, 20);
    Deno.test(`pushBlob() ignores the range ${shown} after a ${method}`, async () => {
      await pushThrough(changing(method, (headers) => headers.set("range", range)), SMALL);
      await pushThrough(changing(method, (headers) => headers.set("range", range)), LARGE);
    });
  }
}

Deno.test("pushBlob() fails if a registry repeatedly confirms only part of the bytes", async () => {
  let confirmed = 0;
  await assertRejects(
    () =>
      pushThrough(async (request, next) => {
        if (request.method !== "PATCH") return await next();
        for await (const _ of request.body ?? []) { /* Takes it all. */ }
        confirmed++;
        const { pathname } = new URL(request.url);
        const headers = { location: pathname, range: `0-${confirmed}` };
        return new Response(null, { status: 202, headers });
      }, LARGE),
    RegistryError,
    "repeatedly confirms only",
  );
  assertEquals(confirmed, 4);
});

Deno.test("pushBlob() sends the rest if a registry confirms part of the bytes", async () => {
  let cut = 0;
  await pushThrough(async (request, next) => {
    if (request.method !== "PATCH" || cut++ > 0) return await next();
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of request.body ?? []) {
      if (size < MIB) chunks.push(chunk);
      size += chunk.length;
    }
    const { method, url, headers } = request;
    const body = await new Blob(chunks).bytes();
    return await next(new Request(url, { method, headers, body: body.subarray(0, MIB) }));
  }, LARGE);
  assertEquals(cut, 2);
});

Deno.test("pushBlob() refuses chunks that would not fit in memory", async () => {
  await assertRejects(
    () =>
      pushThrough(async (request, next) => {
        if (request.method === "PATCH" && !request.headers.has("content-range")) {
          await request.body?.cancel();
          return new Response(null, { status: 413 });
        }
        const answer = await next();
        answer.headers.set("oci-chunk-min-length", "1000000000000");
        return answer;
      }, LARGE),
    RegistryError,
    "requires chunks of at least 1000000000000 bytes",
  );
});

Deno.test("pushBlob() notices that a registry stored other bytes", async () => {
  const other = `sha256:${"0".repeat(64)}`;
  await assertRejects(
    () =>
      pushThrough(
        changing("PUT", (headers) => headers.set("docker-content-digest", other)),
        SMALL,
      ),
    RegistryError,
    `stored it as ${other}`,
  );
});

Deno.test("pushBlob() accepts that a registry names a blob by its own algorithm", async () => {
  const sha512 = blobOf(OCI_LAYER, SMALL.bytes, "sha512");
  const { digest } = SMALL.descriptor;

  await pushThrough(
    changing("PUT", (headers) => headers.set("docker-content-digest", digest)),
    sha512,
  );
});

Deno.test.each([400, 403, 405, 501])(
  "hasBlob() and findBlob() send a GET for the first byte where HEAD is rejected with %i",
  async (status) => {
    await using registry = writableRegistry({
      interfere: ({ method }, next) => method === "HEAD" ? new Response(null, { status }) : next(),
    });
    using client = testClient();
    const repository = parseReference(`${registry.host}/a/b`);
    const empty = blobOf(OCI_LAYER, new Uint8Array());
    const absent: Digest = `sha256:${"0".repeat(64)}`;

    assertEquals(await client.hasBlob(repository, SMALL.descriptor), false);
    assertEquals(await client.hasManifest(repository, SMALL.descriptor), false);
    assertEquals(registry.requests.length, 3);
    for (const { descriptor, bytes } of [SMALL, empty]) {
      await client.pushBlob(repository, descriptor, () => {
        return Promise.resolve(new Blob([bytes]).stream());
      });
      const before = registry.requests.length;
      assertEquals(await client.hasBlob(repository, descriptor), true);
      assertEquals(registry.requests.length, before + 1);
      assertEquals((await client.findBlob(repository, descriptor.digest))?.size, bytes.length);
    }
    assertEquals(await client.findBlob(repository, absent), undefined);
  },
);

Deno.test("findBlob() sends a GET for the size if HEAD states none", async () => {
  await using registry = writableRegistry({
    interfere: ({ method }, next) => method === "HEAD" ? new Response(new Blob().stream()) : next(),
  });
  using client = testClient();
  const { descriptor, bytes } = SMALL;
  const repository = parseReference(`${registry.host}/a/b`);
  await client.pushBlob(repository, descriptor, () => Promise.resolve(new Blob([bytes]).stream()));

  assertEquals((await client.findBlob(repository, descriptor.digest))?.size, bytes.length);
});

Deno.test("hasBlob() sends HEAD once where it is rejected in spite of a token", async () => {
  // As Amazon ECR Public does.
  await using registry = writableRegistry({
    interfere: ({ method, url, headers }, next) => {
      const { pathname, host } = new URL(url);
      if (pathname === "/token") return Response.json({ token: "t" });
      if (method !== "HEAD" && headers.has("authorization")) return next();
      const challenge = `Bearer realm="http://${host}/token",service="test"`;
      return new Response(null, { status: 401, headers: { "www-authenticate": challenge } });
    },
  });
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);
  const { descriptor, bytes } = SMALL;
  const seen = () => registry.requests.map(({ method, status }) => `${method} ${status}`);

  assertEquals(await client.hasBlob(repository, descriptor), false);
  await client.pushBlob(repository, descriptor, () => {
    return Promise.resolve(new Blob([bytes]).stream());
  });
  registry.forget();

  assertEquals(await client.hasBlob(repository, descriptor), true);
  assertEquals(seen(), ["GET 206"]);
  assertEquals((await client.findBlob(repository, descriptor.digest))?.size, bytes.length);
  assertEquals(seen().includes("HEAD 401"), false);
});

Deno.test("hasBlob() still sends HEAD after a digest that the registry does not support", async () => {
  await using registry = writableRegistry({
    interfere: ({ url }, next) => {
      return url.includes("sha512") ? new Response(null, { status: 400 }) : next();
    },
  });
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);
  const { descriptor } = blobOf(OCI_LAYER, SMALL.bytes, "sha512");

  assertEquals(await client.hasBlob(repository, descriptor), false);
  assertEquals(await client.hasBlob(repository, SMALL.descriptor), false);

  assertEquals(registry.requests.map(({ method }) => method), ["HEAD", "GET", "HEAD"]);
});

Deno.test.each([400, 405, 501])(
  "findBlob() treats a blob as missing if GET is also answered with %i",
  async (status) => {
    await using registry = writableRegistry({
      interfere: () => new Response(null, { status }),
    });
    using client = testClient();
    const repository = parseReference(`${registry.host}/a/b`);

    assertEquals(await client.findBlob(repository, SMALL.descriptor.digest), undefined);
  },
);

Deno.test("findBlob() fails if GET is also denied", async () => {
  await using registry = writableRegistry({
    interfere: () => new Response(null, { status: 403 }),
  });
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);

  const { digest } = SMALL.descriptor;
  await assertRejects(() => client.findBlob(repository, digest), RegistryError, "403");
});

Deno.test("hasBlob() sends one HEAD and one GET to a storage server that rejects both", async () => {
  // An address that is signed for GET, as in some stores behind Docker Hub, rejects HEAD.
  await using storage = writableRegistry({ interfere: () => new Response(null, { status: 403 }) });
  await using registry = writableRegistry({
    interfere: ({ url }) => {
      const location = new URL(new URL(url).pathname, `http://${storage.host}`);
      return new Response(null, { status: 307, headers: { location: location.href } });
    },
  });
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);

  assertEquals(await client.hasBlob(repository, SMALL.descriptor), false);

  assertEquals(storage.requests.length, 2);
});

Deno.test("findBlob() returns the size that the registry reports", async () => {
  const other: Digest = `sha256:${"0".repeat(64)}`;
  await using registry = writableRegistry();
  using client = testClient();
  const repository = parseReference(`${registry.host}/a/b`);
  const { digest, size } = SMALL.descriptor;
  await client.pushBlob(
    repository,
    SMALL.descriptor,
    () => Promise.resolve(new Blob([SMALL.bytes]).stream()),
  );

  assertEquals(await client.findBlob(repository, digest), {
    mediaType: "application/octet-stream",
    digest,
    size,
  });
  assertEquals(await client.findBlob(repository, other), undefined);
});

Deno.test("pushManifest() reports a missing blob, not a missing repository", async () => {
  await using registry = writableRegistry({
    interfere: ({ method }, next) =>
      method === "PUT"
        ? Response.json({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN" }] }, { status: 404 })
        : next(),
  });
  using client = testClient();

  const error = await assertRejects(
    () =>
      client.pushManifest(
        parseReference(`${registry.host}/a/b:1`),
        SMALL.descriptor,
        SMALL.bytes,
      ),
    RegistryError,
    "MANIFEST_BLOB_UNKNOWN",
  );
  assertEquals(
    [error instanceof NotFoundError, error.advice?.startsWith("First push"), error.retryable],
    [false, true, false],
  );
});

Deno.test.each([400, 404])(
  "pushManifest() waits for blobs that a registry does not find at once (%i)",
  async (status) => {
    let left = 2;
    await using registry = writableRegistry({
      interfere: ({ method }, next) => {
        if (method !== "PUT" || left-- <= 0) return next();
        return Response.json({ errors: [{ code: "MANIFEST_BLOB_UNKNOWN" }] }, { status });
      },
    });
    using client = testClient();
    const bytes = toUint8Array('{"schemaVersion":2,"manifests":[]}');
    const { descriptor } = blobOf(OCI_INDEX, bytes);

    await client.pushManifest(parseReference(`${registry.host}/a/b:1`), descriptor, bytes);

    assertEquals(registry.requests.map(({ status }) => status), [status, status, 201]);
  },
);

Deno.test("pushManifest() ignores a header that is not a digest", async () => {
  const interfere = changing("PUT", (headers) => headers.set("docker-content-digest", "junk"));
  await using registry = writableRegistry({ interfere });
  using client = testClient();
  const { descriptor, bytes } = buildIndex([]);
  const reference = parseReference(`${registry.host}/a/b:1`);

  await client.pushManifest(reference, descriptor, bytes);

  assertEquals((await registry.content.resolve("a/b", "1"))?.digest, descriptor.digest);
});

Deno.test("pushManifest() does not repeat a request that a registry rejects with 500", async () => {
  const digest = digestOf(new TextEncoder().encode("elsewhere"));
  const foreign = { mediaType: OCI_LAYER, digest, size: 9, urls: ["https://127.0.0.1:1/layer"] };
  const layers = { unknown: [], foreign: [foreign] };
  // As docker-registry answers if it does not allow the URLs of a layer.
  const errors = [
    { code: "UNKNOWN", message: "unknown error" },
    { code: "MANIFEST_BLOB_UNKNOWN", message: "blob unknown", detail: digest },
  ];
  await using registry = writableRegistry({
    interfere: ({ method }, next) => {
      return method === "PUT" ? Response.json({ errors }, { status: 500 }) : next();
    },
  });
  using client = testClient();
  const reference = parseReference(`${registry.host}/a/b:1`);
  const push = async (what: keyof typeof layers) => {
    const config = { mediaType: OCI_CONFIG, digest, size: 9 };
    const manifest = { schemaVersion: 2, config, layers: layers[what] };
    const blob = blobOf(OCI_MANIFEST, toUint8Array(JSON.stringify(manifest)));
    return await assertRejects(
      () => client.pushManifest(reference, blob.descriptor, blob.bytes),
      RegistryError,
      `answered 500 MANIFEST_BLOB_UNKNOWN, "blob unknown: ${digest}"`,
    );
  };

  const errorsOf = [await push("unknown"), await push("foreign")];

  assertEquals(errorsOf.map(({ attempts, retryable }) => [attempts, retryable]), [
    [1, false],
    [1, false],
  ]);
  assertStringIncludes(
    errorsOf[0]?.advice ?? "",
    "First push everything that the document refers to",
  );
  assertStringIncludes(errorsOf[1]?.advice ?? "", "URLs of other servers");
  assertEquals(registry.requests.length, 2);
});
