import { assertEquals, assertRejects } from "@std/assert";
import {
  type CertificateStore,
  type HostCertificates,
  NetworkError,
  parseReference,
  RegistryError,
} from "../../../registry/mod.ts";
import { dockerRegistry } from "../../_support/docker_registry.ts";
import { on, redirect, tokenAuth } from "../../_support/faulty_registry.ts";
import { peerTest } from "../../_support/peers.ts";
import { makeScene, makeTlsScene, readAll, testClient } from "../_client.ts";

/** Certificates for hosts, which records the searches. */
function storeOf(
  certificates: Readonly<Record<string, HostCertificates>>,
): CertificateStore & { readonly hosts: string[] } {
  const hosts: string[] = [];
  return {
    hosts,
    find: (host) => {
      hosts.push(host);
      return Promise.resolve(certificates[host]);
    },
  };
}

Deno.test("RemoteClient looks up the certificates of a host once, and trusts its authorities", async () => {
  await using tls = await makeTlsScene();
  const { scene, host, ca } = tls;
  const certificates = storeOf({ [host]: { caCerts: [ca] } });
  using client = testClient({ certificates });

  const image = await client.image(scene.reference, { platform: "linux/amd64" });
  const bytes = await readAll(await client.blob(scene.reference, scene.blob.descriptor));

  assertEquals(image.digest, scene.image.descriptor.digest);
  assertEquals(bytes, scene.blob.bytes);
  assertEquals(certificates.hosts, [host]);
});

Deno.test("RemoteClient looks up no certificates for plain HTTP", async () => {
  await using scene = makeScene();
  const certificates = storeOf({});
  using client = testClient({ certificates });

  await client.resolve(scene.reference);

  assertEquals(certificates.hosts, []);
});

Deno.test("RemoteClient trusts an authority of a host only for that host", async () => {
  await using registry = await makeTlsScene();
  await using cdn = await makeTlsScene();
  registry.scene.registry.add(on("blob", redirect(cdn.scene.registry.url)));
  const { descriptor } = cdn.scene.blob;
  const pull = async (certificates: CertificateStore) => {
    using client = testClient({ certificates });
    return await readAll(await client.blob(registry.scene.reference, descriptor));
  };
  const own = { [registry.host]: { caCerts: [registry.ca] } };
  const both = { [registry.host]: { caCerts: [registry.ca, cdn.ca] } };

  const error = await assertRejects(() => pull(storeOf(both)), NetworkError);
  const bytes = await pull(storeOf({ ...own, [cdn.host]: { caCerts: [cdn.ca] } }));

  assertEquals([error.reason, error.certificate], ["certificate", "untrusted"]);
  assertEquals(bytes, cdn.scene.blob.bytes);
});

Deno.test("RemoteClient uses the certificates of a mirror for the mirror", async () => {
  await using mirror = await makeTlsScene();
  const certificates = storeOf({ [mirror.host]: { caCerts: [mirror.ca] } });
  const mirrors = { "registry.example": [mirror.scene.registry.url] };
  using client = testClient({ certificates, mirrors, retries: 0 });

  const found = await client.resolve(parseReference("registry.example/a/b:v1"));

  assertEquals(found, mirror.scene.image.descriptor);
  assertEquals(certificates.hosts, [mirror.host]);
});

Deno.test.each([
  { owner: "the registry that names it", isOwn: false },
  { owner: "its own host", isOwn: true },
])("RemoteClient trusts the authorities of $owner for a token server", async ({ isOwn }) => {
  await using registry = await makeTlsScene();
  await using tokens = await makeTlsScene();
  const auth = tokenAuth({ realm: () => `${tokens.scene.registry.url}/token` });
  registry.scene.registry.add(on({}, auth.fault));
  tokens.scene.registry.add(on({}, auth.fault));
  const certificates = storeOf({
    [registry.host]: { caCerts: isOwn ? [registry.ca] : [registry.ca, tokens.ca] },
    ...isOwn ? { [tokens.host]: { caCerts: [tokens.ca] } } : {},
  });
  using client = testClient({ certificates });

  const found = await client.resolve(registry.scene.reference);

  assertEquals(found, registry.scene.image.descriptor);
  assertEquals(auth.exchanges.length, 1);
  assertEquals(certificates.hosts, [registry.host, tokens.host]);
});

Deno.test("RemoteClient does not use the certificates of a plain-HTTP registry for its token server", async () => {
  await using registry = makeScene();
  await using tokens = await makeTlsScene();
  const auth = tokenAuth({ realm: () => `${tokens.scene.registry.url}/token` });
  registry.registry.add(on({}, auth.fault));
  const certificates = storeOf({ [registry.registry.host]: { caCerts: [tokens.ca] } });
  using client = testClient({ certificates });

  const error = await assertRejects(() => client.resolve(registry.reference), NetworkError);

  assertEquals([error.reason, error.certificate], ["certificate", "untrusted"]);
  assertEquals(certificates.hosts, [tokens.host]);
});

Deno.test("RemoteClient does not use the certificates of a host for redirects of its token server", async () => {
  await using registry = await makeTlsScene();
  await using other = await makeTlsScene();
  const auth = tokenAuth();
  registry.scene.registry.add(on("token", redirect(other.scene.registry.url)), on({}, auth.fault));
  const certificates = storeOf({ [registry.host]: { caCerts: [registry.ca, other.ca] } });
  using client = testClient({ certificates });

  const error = await assertRejects(() => client.resolve(registry.scene.reference), NetworkError);

  assertEquals([error.reason, error.certificate], ["certificate", "untrusted"]);
});

Deno.test("RemoteClient passes the warnings of a certificate store to onWarning", async () => {
  await using tls = await makeTlsScene();
  const warnings: string[] = [];
  using client = testClient({
    onWarning: (message) => warnings.push(message),
    certificates: {
      find: (host, options) => {
        options?.onWarning?.(`odd ${host}`);
        return Promise.resolve({ caCerts: [tls.ca] });
      },
    },
  });

  await client.resolve(tls.scene.reference);
  await client.resolve(tls.scene.reference);

  assertEquals(warnings, [`odd ${tls.host}`]);
});

peerTest({
  name: "RemoteClient sends the client certificate of a host only to it and its token server",
  needs: ["docker-registry"],
}, async () => {
  await using peer = await dockerRegistry({ clientCertificate: true });
  const { host, url, certificates: files } = peer;
  const [ca = "", cert = "", key = ""] = await Promise.all(
    [files?.ca, files?.clientCert, files?.clientKey].map((path) => Deno.readTextFile(path ?? "")),
  );
  const clientCertificate = { cert, key };
  await using tls = await makeTlsScene();
  const pair = { caCerts: [ca, tls.ca], clientCertificate };
  const { scene } = tls;
  const send = async (
    certificates: Readonly<Record<string, HostCertificates>>,
    options: { readonly clientCertificate?: HostCertificates["clientCertificate"] } = {},
  ) => {
    using client = testClient({ certificates: storeOf(certificates), retries: 0, ...options });
    await client.resolve(scene.reference);
  };

  // The peer has no such image and no token server: with its certificate, it responds with 404.
  scene.registry.add(on("manifest", redirect(url)));
  const target = { [host]: pair, [tls.host]: { caCerts: [tls.ca] } };
  const shown = await assertRejects(() => send(target), RegistryError);
  const hidden = await assertRejects(
    () => send({ [host]: { caCerts: [ca] }, [tls.host]: pair }),
    NetworkError,
  );
  scene.registry.heal();
  scene.registry.add(on({}, tokenAuth({ realm: () => `${url}/token` }).fault));
  const named = await assertRejects(() => send({ [tls.host]: pair }), RegistryError);
  const bare = await assertRejects(
    () => send({ [tls.host]: { caCerts: [ca, tls.ca] } }),
    NetworkError,
  );
  const explicit = await assertRejects(
    () => send({ [tls.host]: { caCerts: [ca, tls.ca] } }, { clientCertificate }),
    RegistryError,
  );

  assertEquals([shown, named, explicit].map(({ status }) => status), [404, 404, 404]);
  assertEquals([hidden, bare].map(({ certificate }) => certificate), ["client", "client"]);
});

Deno.test("RemoteClient names places that it could not search for certificates if TLS fails", async () => {
  await using tls = await makeTlsScene();
  const { scene, host } = tls;
  const skipped = ["directories were skipped because they need --allow-read=/certs.d"];
  using client = testClient({ certificates: storeOf({ [host]: { skipped } }) });

  await assertRejects(
    () => client.resolve(scene.reference),
    NetworkError,
    `is not trusted (UnknownIssuer, ${skipped[0]})`,
  );
});
