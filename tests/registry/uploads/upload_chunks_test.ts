import { assert, assertEquals } from "@std/assert";
import { parseReference } from "../../../registry/mod.ts";
import { OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { blobOf } from "../../_support/image.ts";
import { interfereWith, opener, pushTo, stored } from "../../_support/push.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../_client.ts";

const MIB = 1024 * 1024;

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
    interfere: interfereWith("PUT", Infinity, async (request, next) => {
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
    const blob = blobOf(OCI_LAYER, noise(300_000, i + 1));
    await client.pushBlob(parseReference(`${registry.host}/a/b`), blob.descriptor, opener(blob));
  }));

  assert(most < 4, `${most} bodies at once`);
});
