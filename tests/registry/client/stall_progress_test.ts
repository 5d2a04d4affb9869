import { assertEquals, assertRejects } from "@std/assert";
import { NetworkError } from "../../../registry/mod.ts";
import { cut, on, wire } from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { makeScene, readAll, testClient } from "../_client.ts";

const MIB = 1024 * 1024;

for (
  const { what, fault, reason } of [
    { what: "stalls after some kilobytes", fault: wire({ stallAfter: 5000 }), reason: "stalled" },
    { what: "ends after some bytes", fault: cut(500), reason: "cut" },
  ]
) {
  Deno.test(`RemoteClient.blob() gives up if each response ${what}`, async () => {
    await using scene = makeScene([on("blob", fault)], { blobSize: 100_000 });
    using client = testClient({ stallTimeoutMs: 100, retries: 2 });

    const error = await assertRejects(async () => {
      await readAll(await client.blob(scene.reference, scene.blob.descriptor));
    }, NetworkError);

    assertEquals([error.reason, error.attempts], [reason, 3]);
    assertEquals(scene.registry.seen("blob").length, 3);
  });
}

Deno.test("RemoteClient.blob() continues as long as a server sends a megabyte before it stalls", async () => {
  const blobSize = 4 * MIB + 1;
  await using scene = makeScene([on("blob", wire({ stallAfter: MIB }))], { blobSize });
  using client = testClient({ stallTimeoutMs: 400, retries: 1 });

  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(bytes, scene.blob.bytes);
  assertEquals(scene.registry.seen("blob").length, 5);
});

Deno.test("RemoteClient.blob() continues as long as a slow server sends for half a minute", async () => {
  const slow = wire({ pieceSize: 2000, pauseMs: 3000, stallAfter: 22_000 });
  await using scene = makeScene([on("blob", slow)], { blobSize: 100_000 });
  using client = testClient({ retries: 1 });
  using time = manualTime();

  const bytes = await time.passUntil(
    500,
    client.blob(scene.reference, scene.blob.descriptor).then(readAll),
  );

  assertEquals(bytes, scene.blob.bytes);
  assertEquals(scene.registry.seen("blob").length, 5);
});
