import { assertEquals, assertRejects } from "@std/assert";
import { detectProtocol } from "../../../registry/endpoints/_detect_protocol.ts";
import { registryEndpoint } from "../../../registry/endpoints/_endpoint.ts";
import { speaksTls } from "../../../registry/endpoints/_speaks_tls.ts";
import { NetworkError, parseReference, type RemoteClientOptions } from "../../../registry/mod.ts";
import { serveConnections } from "../../_support/connections.ts";
import { drop, on, respond, stall } from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { makeScene, makeTlsScene, type Scene, testClient } from "../_client.ts";
import { emptyResponse } from "../_response.ts";

Deno.test.each<{ why: string; options: RemoteClientOptions }>([
  { why: "by itself", options: {} },
  { why: "where that is asked for", options: { plainHttp: true } },
  { why: "where it is in a list", options: { plainHttp: ["localhost:1", "*"] } },
])("RemoteClient speaks plain HTTP on loopback $why", async ({ options }) => {
  await using scene = makeScene();
  const { plainHttp } = options;
  const names = Array.isArray(plainHttp) ? { plainHttp: [scene.registry.host] } : {};
  using client = testClient({ ...options, ...names });

  assertEquals(await client.resolve(scene.reference), scene.image.descriptor);
});

Deno.test("RemoteClient speaks plain HTTP on loopback despite a certificate", async () => {
  await using tls = await makeTlsScene();
  await using scene = makeScene();
  using client = testClient({ caCerts: [tls.ca] });

  assertEquals(await client.resolve(scene.reference), scene.image.descriptor);
});

Deno.test("RemoteClient does not use plain HTTP if that is disabled", async () => {
  await using scene = makeScene([]);
  using client = testClient({ plainHttp: false, retries: 0, stallTimeoutMs: 200 });

  await assertRejects(() => client.resolve(scene.reference), NetworkError);

  assertEquals(scene.registry.requests.length, 0);
});

Deno.test("RemoteClient detects plain HTTP on the loopback even if the first response is unusual", async (t) => {
  for (
    const [what, fault] of Object.entries({ drop: drop(), 400: respond(400), 503: respond(503) })
  ) {
    await t.step(what, async () => {
      await using scene = makeScene([on({ kind: "manifest", times: 1 }, fault)]);
      using client = testClient({ stallTimeoutMs: 100 });

      assertEquals((await client.resolve(scene.reference)).digest, scene.image.descriptor.digest);
    });
  }
});

Deno.test("speaksTls() tries a handshake and accepts every certificate", async () => {
  await using tls = await makeTlsScene();
  await using plain = makeScene();
  const ask = ({ registry }: Scene) => {
    return speaksTls(new URL(`https://${registry.host}`), { timeoutMs: 60_000 });
  };

  assertEquals(await Promise.all([ask(tls.scene), ask(plain)]), [true, false]);
});

Deno.test("detectProtocol() repeats the request over TLS if the server speaks it", async () => {
  const url = new URL("https://127.0.0.1:1");
  const endpoint = { bases: [new URL("http://127.0.0.1:1"), url], isTlsFirst: false };
  const sent: URL[] = [];

  const { status } = await detectProtocol(endpoint, {
    send: (base) => {
      sent.push(base);
      return Promise.resolve(emptyResponse(url, base === url ? 200 : 400));
    },
    isKnown: () => false,
    speaksTls: () => Promise.resolve(true),
    requiresTls: () => new Error("not called"),
  });

  assertEquals([status, sent.length], [200, 2]);
});

Deno.test("detectProtocol() uses plain HTTP that a file allows only without TLS", async () => {
  const options = { plainHttp: undefined, isInsecure: true, allowPrivate: false };
  const endpoint = registryEndpoint("a.io", options);
  const tested: string[] = [];
  const send = async (speaksTls: boolean) => {
    const { url } = await detectProtocol(endpoint, {
      send: (base) => Promise.resolve(emptyResponse(base, 200)),
      isKnown: () => true,
      speaksTls: ({ origin }) => {
        tested.push(origin);
        return Promise.resolve(speaksTls);
      },
      requiresTls: () => new Error("not called"),
    });
    return url.origin;
  };

  assertEquals(await send(true), "https://a.io");
  assertEquals(await send(false), "http://a.io");
  assertEquals(tested, ["https://a.io", "https://a.io"]);
});

Deno.test.each([
  { name: "closes the connection", answer: "" },
  {
    name: "answers 400",
    answer: "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno",
  },
])("RemoteClient recognizes a TLS server that $name to plain HTTP", async ({ answer }) => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using server = serveConnections(listener, async (connection) => {
    const bytes = new Uint8Array(2000);
    await connection.read(bytes);
    // The first byte of a TLS handshake.
    const isTls = bytes[0] === 0x16;
    // An alert, since the server has no certificate.
    const alert = Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40);
    await connection.write(isTls ? alert : new TextEncoder().encode(answer));
  });
  using client = testClient({ plainHttp: true });

  const error = await assertRejects(
    () => client.resolve(parseReference(`${server.host}/a/b:v1`)),
    NetworkError,
    "does not speak plain HTTP",
  );

  assertEquals([error.reason, error.attempts], ["protocol", 1]);
});

Deno.test("RemoteClient does not mistake a silent server for one that speaks TLS", async () => {
  using time = manualTime();
  const requested = Promise.withResolvers<void>();
  await using scene = makeScene([on("manifest", stall(-1, requested.resolve))]);
  using client = testClient({ stallTimeoutMs: 1000, retries: 0 });

  const failing = assertRejects(() => client.resolve(scene.reference), NetworkError);
  await requested.promise;
  const error = await time.passUntil(1000, failing);

  assertEquals(error.reason, "stalled");
  assertEquals(scene.registry.requests.length, 1);
});

Deno.test.each<
  { registry: string; options: Parameters<typeof registryEndpoint>[1]; bases: string[] }
>([
  { registry: "docker.io", options: options(), bases: ["https://registry-1.docker.io/"] },
  { registry: "ghcr.io", options: options(), bases: ["https://ghcr.io/"] },
  { registry: "10.0.0.1:5000", options: options(), bases: ["https://10.0.0.1:5000/"] },
  { registry: "localhost", options: options(), bases: ["http://localhost/", "https://localhost/"] },
  {
    registry: "127.8.0.1:5000",
    options: options(),
    bases: ["http://127.8.0.1:5000/", "https://127.8.0.1:5000/"],
  },
  { registry: "[::1]:1", options: options(), bases: ["http://[::1]:1/", "https://[::1]:1/"] },
  { registry: "a.io", options: { ...options(), plainHttp: true }, bases: ["http://a.io/"] },
  { registry: "a.io", options: { ...options(), plainHttp: ["a.io"] }, bases: ["http://a.io/"] },
  { registry: "b.io", options: { ...options(), plainHttp: ["a.io"] }, bases: ["https://b.io/"] },
  {
    registry: "localhost",
    options: { ...options(), plainHttp: false },
    bases: ["https://localhost/"],
  },
])("registryEndpoint() tries $bases for $registry", ({ registry, options, bases }) => {
  assertEquals(registryEndpoint(registry, options).bases.map(({ href }) => href), bases);
});

function options(): Parameters<typeof registryEndpoint>[1] {
  return { plainHttp: undefined, allowPrivate: false };
}
