import { assert, assertEquals, assertRejects } from "@std/assert";
import { registryEndpoint } from "../../../registry/client/_endpoint.ts";
import {
  NetworkError,
  parseReference,
  readCertificates,
  type RemoteClientOptions,
} from "../../../registry/mod.ts";
import { detectProtocol } from "../../../registry/client/_detect_protocol.ts";
import { networkError } from "../../../registry/transport/network_failure.ts";
import { speaksTls } from "../../../registry/transport/speaks_tls.ts";
import {
  makeCertificates,
  makeOddCertificates,
  type ServerCertificate,
} from "../../_support/certificates.ts";
import { type Connections, endConnection, serveConnections } from "../../_support/connections.ts";
import { cuttingProxy } from "../../_support/cutting_proxy.ts";
import { dockerRegistry } from "../../_support/docker_registry.ts";
import { drop, on, respond, stall, tokenAuth } from "../../_support/faulty_registry.ts";
import { manualTime } from "../../_support/manual_time.ts";
import { peerTest } from "../../_support/peers.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { emptyResponse } from "../_response.ts";
import { makeScene, makeTlsScene, readAll, type Scene, testClient } from "../_client.ts";

Deno.test("RemoteClient trusts a private authority, of the client or of a call", async () => {
  await using tls = await makeTlsScene();
  const { scene, ca } = tls;
  using client = testClient({ caCerts: [ca] });
  using plain = testClient();

  const first = await client.resolve(scene.reference);
  const second = await plain.resolve(scene.reference, { caCerts: [ca] });

  assertEquals([first, second], [scene.image.descriptor, scene.image.descriptor]);
});

Deno.test("RemoteClient reports an untrusted certificate without a retry", async () => {
  await using tls = await makeTlsScene();
  using client = testClient();

  const error = await assertRejects(() => client.resolve(tls.scene.reference), NetworkError);

  assertEquals([error.reason, error.attempts, error.retryable], ["certificate", 1, false]);
  assertEquals(error.certificate, "untrusted");
  assert(error.message.includes("is not trusted (UnknownIssuer)"), error.message);
});

Deno.test.each(
  [
    { name: "expired", fault: "expired", says: "has expired" },
    { name: "early", fault: "not-yet-valid", says: "is not valid yet according to the clock" },
    { name: "elsewhere", fault: "wrong-name", says: "is for another name" },
    { name: "ownAuthority", fault: "own-authority", says: "is self-signed and not trusted" },
  ] as const,
)("RemoteClient names the fault of a certificate: $fault", async ({ name, fault, says }) => {
  await using temp = await makeTempDir();
  const certificates = await makeOddCertificates(temp.path);
  await using scene = await odd(certificates[name]);
  using client = testClient({ caCerts: await readCertificates(certificates.ca) });
  // With any given authority, the fault would be that the certificate is signed by another one.
  using trustless = testClient();

  const reference = scene.reference;
  const error = await assertRejects(() => {
    return (name === "ownAuthority" ? trustless : client).resolve(reference);
  }, NetworkError);

  assertEquals([error.reason, error.certificate], ["certificate", fault]);
  assert(error.message.includes(says), error.message);
});

Deno.test("RemoteClient reports that no given authority has signed the server's certificate", async () => {
  await using temp = await makeTempDir();
  const { elsewhere } = await makeOddCertificates(temp.path);
  await using tls = await makeTlsScene();
  using client = testClient({ caCerts: await readCertificates(elsewhere.cert) });

  const error = await assertRejects(() => client.resolve(tls.scene.reference), NetworkError);

  assertEquals(error.certificate, "other-authority");
  assert(error.message.includes("is not signed by any of the given authorities"), error.message);
});

Deno.test("RemoteClient trusts a self-signed certificate among its authorities", async () => {
  await using temp = await makeTempDir();
  const { ca, ownAuthority } = await makeOddCertificates(temp.path);
  await using scene = await odd(ownAuthority);
  using client = testClient({ caCerts: await readCertificates(ownAuthority.cert) });
  using other = testClient({ caCerts: await readCertificates(ca) });

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  const [layer] = image.layers;
  const error = await assertRejects(() => other.resolve(scene.reference), NetworkError);

  assertEquals(image.digest, scene.image.descriptor.digest);
  assertEquals(error.certificate, "own-authority");
  assert(layer !== undefined);
  const bytes = await readAll(await client.blob(scene.reference, layer.descriptor));
  assertEquals(bytes.length, layer.descriptor.size);
});

/** A registry with a certificate. */
async function odd({ cert, key }: ServerCertificate): Promise<Scene> {
  return makeScene([], {
    tls: { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) },
  });
}

Deno.test.each(["CertificateRequired", "HandshakeFailure"])(
  "networkError() reports the alert %s as a fault of the client certificate",
  (alert) => {
    const url = new URL("https://registry.example/v2/");
    const text = `client error (Connect): received fatal alert: ${alert}`;

    const error = networkError(new Error(text), {
      url,
      task: { action: "pull", subject: "a" },
      attempt: 1,
    });

    assertEquals([error.reason, error.retryable], ["certificate", false]);
    assertEquals(error.certificate, "client");
    assert(error.message.includes(`(received fatal alert: ${alert})`), error.message);
  },
);

Deno.test("networkError() reports a server certificate of X.509 version 1", () => {
  const text = "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))";
  const error = networkError(new Error(`client error (Connect): ${text}`), {
    url: new URL("https://registry.example/v2/"),
    task: { action: "pull", subject: "a" },
    attempt: 1,
  });

  assertEquals([error.reason, error.certificate], ["certificate", "version"]);
  assert(error.message.includes("has X.509 version 1, which Deno does not support"), error.message);
});

Deno.test("RemoteClient suspects that a server without a handshake has no TLS", async () => {
  await using server = makeScene();
  await using proxy = cuttingProxy(server.registry.host, 1);
  using client = testClient({ plainHttp: false, retries: 5 });

  const reference = parseReference(`${proxy.host}/a/b:v1`);
  const error = await assertRejects(() => client.resolve(reference), NetworkError);

  assertEquals([error.reason, error.attempts], ["protocol", 3]);
  assert(error.message.includes("does not speak TLS"), error.message);
});

Deno.test("RemoteClient closes connections whose handshake the server does not answer", async () => {
  const closed = Promise.withResolvers<void>();
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using server = serveConnections(listener, async (connection) => {
    while (await connection.read(new Uint8Array(65_536)) !== null);
    closed.resolve();
  });
  using client = testClient({ plainHttp: false, retries: 3, stallTimeoutMs: 100 });

  const reference = parseReference(`${server.host}/a/b:v1`);
  const error = await assertRejects(() => client.resolve(reference), NetworkError);
  // Deno keeps the first one open.
  await closed.promise;

  assertEquals([error.reason, error.attempts], ["stalled", 4]);
});

Deno.test("RemoteClient reports a connection that ends without ending TLS", async () => {
  await using tls = await makeTlsScene();
  const { registry, reference } = tls.scene;
  await using relay = tcpRelay(registry.host);
  registry.add(on("manifest", (_request, next) => {
    relay.cut();
    return next();
  }));
  using client = testClient({ caCerts: [tls.ca], plainHttp: false, retries: 0 });

  const error = await assertRejects(
    () => client.resolve({ ...reference, registry: relay.host }),
    NetworkError,
  );

  assertEquals(error.reason, "cut");
  assert(error.message.includes("(connection closed before message completed)"), error.message);
});

/** Forwards connections to an address, and cuts the last one on demand. */
function tcpRelay(target: string): Connections & { cut(): void } {
  const { hostname, port } = new URL(`tcp://${target}`);
  let last: Deno.Conn | undefined;
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const connections = serveConnections(listener, async (client, own) => {
    last = client;
    const server = await Deno.connect({ hostname, port: Number(port) });
    own(server);
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  });
  return { ...connections, cut: () => last && endConnection(last) };
}

Deno.test("networkError() does not retry a name that no certificate can have", () => {
  const error = networkError(new TypeError("Invalid hostname: '-a.test'"), {
    url: new URL("https://-a.test/v2/"),
    task: { action: "pull", subject: "a" },
    attempt: 1,
  });

  assertEquals([error.reason, error.retryable], ["request", false]);
});

Deno.test("RemoteClient requests tokens with the same certificates", async () => {
  await using tls = await makeTlsScene();
  const auth = tokenAuth({ users: { me: "pw" }, anonymous: false });
  tls.scene.registry.add(on({}, auth.fault));
  using client = testClient({ caCerts: [tls.ca] });

  await client.resolve(tls.scene.reference, { auth: { username: "me", password: "pw" } });

  assertEquals(auth.exchanges.length, 1);
});

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

Deno.test.each([
  { what: "that is none", caCerts: ["secret"] },
  { what: "that is cut off", caCerts: ["-----BEGIN CERTIFICATE-----\nMII"] },
])("RemoteClient refuses a certificate $what", async ({ caCerts }) => {
  await using tls = await makeTlsScene();
  using client = testClient({ caCerts });

  const error = await assertRejects(() => client.resolve(tls.scene.reference), TypeError);

  assert(!error.message.includes("secret"));
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
  const sent: URL[] = [];

  const { status } = await detectProtocol([new URL("http://127.0.0.1:1"), url], {
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

peerTest({
  name: "RemoteClient sends its certificate to a registry that requires one",
  needs: ["docker-registry"],
}, async () => {
  await using registry = await dockerRegistry({ clientCertificate: true });
  const paths = registry.certificates;
  assert(paths !== undefined);
  const caCerts = await readCertificates(paths.ca);
  const cert = await Deno.readTextFile(paths.clientCert);
  const key = await Deno.readTextFile(paths.clientKey);
  const repository = { registry: registry.host, repository: "a" };
  using without = testClient({ caCerts, retries: 0 });
  using client = testClient({ caCerts, clientCertificate: { cert, key }, retries: 0 });

  await assertRejects(() => Array.fromAsync(without.tags(repository)), NetworkError);
  await assertRejects(() => Array.fromAsync(client.tags(repository)), Error, "NAME_UNKNOWN");
});

Deno.test("readCertificates() reads files and directories, and nothing but certificates", async () => {
  await using dir = await makeTempDir();
  const { ca, cert, key } = await makeCertificates(dir.path);
  const both = dir.join("both.pem");
  await Deno.mkdir(dir.join("d"));
  await Deno.writeTextFile(both, (await Deno.readTextFile(ca)) + (await Deno.readTextFile(cert)));
  await Deno.copyFile(ca, dir.join("d", "a.crt"));
  await Deno.copyFile(cert, dir.join("d", "b.pem"));
  await Deno.copyFile(key, dir.join("d", "c.key"));

  const fromFile = await readCertificates(both);
  const fromDirectory = await readCertificates(dir.join("d"));

  assertEquals(fromFile.length, 2);
  assertEquals(fromDirectory, fromFile);
  await assertRejects(() => readCertificates(key), SyntaxError, "BEGIN CERTIFICATE");
  await assertRejects(() => readCertificates(dir.join("none")), Deno.errors.NotFound);
});

Deno.test("RemoteClient reports a client certificate of X.509 version 1", async () => {
  await using temp = await makeTempDir();
  const { firstVersion } = await makeOddCertificates(temp.path);
  await using tls = await makeTlsScene();
  const cert = await Deno.readTextFile(firstVersion.cert);
  const key = await Deno.readTextFile(firstVersion.key);
  using client = testClient({ caCerts: [tls.ca], clientCertificate: { cert, key } });

  const error = await assertRejects(() => client.resolve(tls.scene.reference), TypeError);

  assert(error.message.includes("has X.509 version 1"), error.message);
  assert(error.message.includes("-extfile"), error.message);
});
