import { assert, assertEquals, assertRejects } from "@std/assert";
import { NetworkError, parseReference, readCertificates } from "../../../registry/mod.ts";
import { networkError } from "../../../registry/transport/network_failure.ts";
import {
  makeCertificates,
  makeOddCertificates,
  type ServerCertificate,
} from "../../_support/certificates.ts";
import { type Connections, endConnection, serveConnections } from "../../_support/connections.ts";
import { cuttingProxy } from "../../_support/cutting_proxy.ts";
import { dockerRegistry } from "../../_support/docker_registry.ts";
import { on, tokenAuth } from "../../_support/faulty_registry.ts";
import { peerTest } from "../../_support/peers.ts";
import { makeTempDir } from "../../_support/temp.ts";
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

Deno.test.each([
  { what: "that is none", caCerts: ["secret"] },
  { what: "that is cut off", caCerts: ["-----BEGIN CERTIFICATE-----\nMII"] },
])("RemoteClient refuses a certificate $what", async ({ caCerts }) => {
  await using tls = await makeTlsScene();
  using client = testClient({ caCerts });

  const error = await assertRejects(() => client.resolve(tls.scene.reference), TypeError);

  assert(!error.message.includes("secret"));
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

Deno.test.each([{ cert: "", key: "k" }, { cert: "-----BEGIN CERTIFICATE-----", key: "" }])(
  "RemoteClient refuses the incomplete client certificate %j",
  async (clientCertificate) => {
    await using tls = await makeTlsScene();
    using client = testClient({ caCerts: [tls.ca], clientCertificate });

    const error = await assertRejects(() => client.resolve(tls.scene.reference), TypeError);

    assert(error.message.includes("both a certificate and a key"), error.message);
    assertEquals("code" in error && error.code, "invalid-argument");
  },
);

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
