import { assert, assertEquals, assertRejects } from "@std/assert";
import { type CredentialStore, NetworkError, parseReference } from "../../../registry/mod.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import { dockerRegistry } from "../../_support/docker_registry.ts";
import { basicAuth, on, respond } from "../../_support/faulty_registry.ts";
import { peerTest } from "../../_support/peers.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { makeScene, makeTlsScene, pullAll, readAll, testClient } from "../_client.ts";
import { host, hostsOf } from "./_hosts_toml.ts";

Deno.test("RemoteClient sends a host its headers and its own credential, and no other host", async () => {
  await using mirror = makeScene([on({}, basicAuth({ m: "1" }))]);
  await using upstream = makeScene([on("blob", respond(404))]);
  const settings = 'header = { "X-Key" = "secret", accept = "none" }';
  await using files = await hostsOf(upstream.registry.host, host(mirror, settings));
  const found: string[] = [];
  const credentials: CredentialStore = {
    find: ({ registry }) => {
      found.push(registry);
      return Promise.resolve({ auth: { username: "m", password: "1" }, source: "the test" });
    },
  };
  using client = testClient({ ...files, credentials });
  const auth = { username: "home", password: "2" };

  await client.document(upstream.reference, { auth });
  await Array.fromAsync(client.tags(upstream.reference, { auth }));

  assertEquals(found, [mirror.registry.host]);
  assertEquals(mirror.registry.requests.map(({ headers }) => headers.get("x-key")), [
    "secret",
    "secret",
  ]);
  assert(mirror.registry.requests.every(({ headers }) => headers.get("accept") !== "none"));
  assertEquals(upstream.registry.requests.map(({ headers }) => headers.get("x-key")), [null]);
});

Deno.test("RemoteClient sends a login to the registry itself, with its headers, and to no other host", async () => {
  await using other = makeScene([on({}, basicAuth({ a: "1" }))]);
  await using upstream = makeScene([on({}, basicAuth({ a: "1" }))]);
  const { host: name } = upstream.registry;
  const auth = { username: "a", password: "1" };
  const header = 'header = { "X-Key" = "secret" }\n';
  const login = async (text: string) => {
    await using files = await hostsOf(name, text);
    using client = testClient(files);
    return await client.checkCredential(name, auth);
  };

  const isRequired = [
    await login(`server = "${other.registry.url}"\n${header}${host(other)}`),
    await login(`server = "${upstream.registry.url}"\n${header}${host(other)}`),
  ];

  assertEquals(isRequired, [true, true]);
  assertEquals(other.registry.requests.length, 0);
  const keys = upstream.registry.requests.map(({ headers }) => headers.get("x-key"));
  assertEquals(keys, [null, null, "secret", "secret"]);
});

Deno.test("RemoteClient sends the headers of a host when it requests a challenge", async () => {
  const challenge = { "www-authenticate": 'Basic realm="r"' };
  await using mirror = makeScene([
    on("manifest", (request, next) => {
      const isKnown = request.headers.has("authorization");
      return isKnown ? next() : respond(404)(request, next);
    }),
    on("root", (request, next) => {
      return respond(request.headers.has("x-key") ? 401 : 403, challenge)(request, next);
    }),
  ]);
  await using upstream = makeScene();
  const text = host(mirror, 'header = { "X-Key" = "secret" }');
  await using files = await hostsOf(upstream.registry.host, text);
  const found = { auth: { username: "m", password: "1" }, source: "the test" };
  using client = testClient({ ...files, credentials: { find: () => Promise.resolve(found) } });

  await client.resolve(upstream.reference);

  assertEquals(mirror.registry.seen("root").length, 1);
  assert(mirror.registry.requests.every(({ headers }) => headers.get("x-key") === "secret"));
});

Deno.test.each([
  { what: "nothing", settings: "", isReached: false },
  { what: "ca", settings: 'ca = "ca.pem"', isReached: true },
  { what: "another ca", settings: 'ca = ["other.pem"]', isReached: false },
  { what: "several files as ca", settings: 'ca = ["other.pem", "ca.pem"]', isReached: true },
  { what: "skip_verify", settings: "skip_verify = true", isReached: true },
])("RemoteClient reaches a host with TLS and $what: $isReached", async (row) => {
  await using mirror = await makeTlsScene();
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror.scene, row.settings));
  await writeAuthorities(files.dir, upstream.registry.host, mirror.ca);
  using client = testClient(files);

  const digest = await pullAll(client, upstream);

  assertEquals(digest, upstream.image.descriptor.digest);
  assertEquals(mirror.scene.registry.requests.length > 0, row.isReached);
  assertEquals(upstream.registry.requests.length > 0, !row.isReached);
});

/** Writes the authority of a host and another one beside a `hosts.toml`. */
async function writeAuthorities(dir: TempDir, registry: string, ca: string): Promise<void> {
  await using other = await makeTempDir();
  const paths = await makeCertificates(other.path);
  await Deno.copyFile(paths.ca, dir.join(registry, "other.pem"));
  await Deno.writeTextFile(dir.join(registry, "ca.pem"), ca);
}

Deno.test("RemoteClient verifies the certificates of all hosts but the one with skip_verify", async () => {
  await using mirror = await makeTlsScene();
  await using cdn = await makeTlsScene();
  mirror.scene.registry.add(on("blob", (request) => {
    const { pathname } = new URL(request.url);
    return respond(307, { location: `${cdn.scene.registry.url}${pathname}` })(
      request,
      () => Promise.reject(new Error("the registry has answered")),
    );
  }));
  const text = `server = "${mirror.scene.registry.url}"\nskip_verify = true\n`;
  await using files = await hostsOf("a.example", text);
  using client = testClient({ ...files, retries: 0 });
  const repository = { registry: "a.example", repository: "a/b" };

  await client.resolve(parseReference("a.example/a/b:v1"));
  const error = await assertRejects(
    async () => await readAll(await client.blob(repository, cdn.scene.blob.descriptor)),
    NetworkError,
  );

  assertEquals([error.reason, error.certificate], ["certificate", "untrusted"]);
  assertEquals(cdn.scene.registry.requests.length, 0);
});

peerTest({
  name: "RemoteClient sends a mirror only the client certificate that its file names",
  needs: ["docker-registry"],
}, async () => {
  await using mirror = await dockerRegistry({ clientCertificate: true });
  await using upstream = makeScene();
  await using other = await makeTempDir();
  const { clientCert, clientKey } = await makeCertificates(other.path);
  const [cert, key] = await Promise.all([
    Deno.readTextFile(clientCert),
    Deno.readTextFile(clientKey),
  ]);
  const paths = mirror.certificates;
  const pair = JSON.stringify([[paths?.clientCert, paths?.clientKey]]);
  const text = `[host."${mirror.url}"]\nca = "${paths?.ca}"\nclient = ${pair}\n`;
  await using files = await hostsOf(upstream.registry.host, text);
  const warnings: string[] = [];
  const onWarning = (message: string) => warnings.push(message);
  using client = testClient({ ...files, clientCertificate: { cert, key }, retries: 0, onWarning });

  const found = await client.resolve(upstream.reference);

  // The mirror has no image: with its certificate, it responds with 404.
  assertEquals([found, warnings], [upstream.image.descriptor, []]);
});

Deno.test("RemoteClient warns about unusable certificates in a hosts.toml", async () => {
  await using mirror = await makeTlsScene();
  const text = host(mirror.scene, 'ca = ["none.pem", "hosts.toml"]\nclient = "hosts.toml"');
  await using files = await hostsOf("a.example", text);
  const warnings: string[] = [];
  using client = testClient({
    ...files,
    retries: 0,
    onWarning: (message) => warnings.push(message.replaceAll(`${files.dir.path}/`, "")),
    mirrors: {},
  });

  await assertRejects(() => client.resolve(parseReference("a.example/a/b:v1")), NetworkError);

  const missing = 'it does not contain "-----BEGIN CERTIFICATE-----"';
  assertEquals(warnings.slice(0, 3), [
    'Cannot use "a.example/none.pem": it does not exist',
    `Cannot use "a.example/hosts.toml": ${missing}`,
    `Cannot use "a.example/hosts.toml": ${missing}`,
  ]);
});
