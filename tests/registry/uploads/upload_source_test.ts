import { assertEquals, assertRejects } from "@std/assert";
import { AuthError, parseReference, RegistryError } from "../../../registry/mod.ts";
import { OCI_LAYER } from "../../../spec/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { blobOf } from "../../_support/image.ts";
import { interfereWith, LARGE, opener, SMALL, stored } from "../../_support/push.ts";
import { writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../_client.ts";

const MIB = 1024 * 1024;

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
      interfere: interfereWith("POST", 1, async (_, next) => {
        await requested.promise;
        return await next();
      }),
    });
    using client = testClient();
    const open = async (options = {}) => {
      const stream = await opener(blob)(options);
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
    interfere: interfereWith("POST", 9, () => Response.json({ errors: [] }, { status: 403 })),
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
