import { assertEquals } from "@std/assert";
import { makeServerTls } from "../../_support/certificates.ts";
import { cut, on, tokenAuth } from "../../_support/faulty_registry.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeScene, readAll, testClient } from "../_client.ts";

/** A loopback address that is most likely unused, with a port that `fetch` refuses. */
function blockedAddress(): { readonly hostname: string; readonly port: number } {
  const [a = 1, b = 1] = crypto.getRandomValues(new Uint8Array(2));
  return { hostname: `127.77.${a}.${b}`, port: 6000 };
}

function freeBlockedPort(): number {
  const port = [6697, 6679, 6669, 6668, 6667, 6666, 6665, 5061, 5060].find((port) => {
    try {
      using _listener = Deno.listen({ hostname: "127.0.0.1", port });
      return true;
    } catch {
      return false;
    }
  });
  if (port === undefined) throw new Error("Cannot find a free port among those that are blocked");
  return port;
}

linuxTest("RemoteClient reaches a registry on a port that fetch refuses", async () => {
  const rules = [on({ kind: "blob", nth: 1 }, cut(100_000)), on({}, tokenAuth().fault)];
  await using scene = makeScene(rules, { address: blockedAddress() });
  using client = testClient();

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(image.digest, scene.image.descriptor.digest);
  assertEquals(bytes, scene.blob.bytes);
});

linuxTest("RemoteClient stops reading from a port that fetch refuses", async () => {
  await using scene = makeScene([], { address: blockedAddress(), blobSize: 20_000_000 });
  using client = testClient();

  const stream = await client.blob(scene.reference, scene.blob.descriptor);
  const reader = stream.getReader();
  const { done } = await reader.read();
  await reader.cancel();

  assertEquals(done, false);
});

linuxTest("RemoteClient speaks TLS with a port that fetch refuses", async () => {
  const { ca, ...tls } = await makeServerTls();
  // The certificate is only for this address.
  const address = { hostname: "127.0.0.1", port: freeBlockedPort() };
  await using scene = makeScene([], { address, tls });
  using client = testClient({ caCerts: [ca] });

  const { digest } = await client.resolve(scene.reference);

  assertEquals(digest, scene.image.descriptor.digest);
});
