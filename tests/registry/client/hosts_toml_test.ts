import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type CredentialStore,
  NetworkError,
  parseReference,
  readRegistriesConf,
  RegistriesConfError,
  type RemoteClient,
} from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import { dockerRegistry } from "../../_support/docker_registry.ts";
import { basicAuth, type Fault, on, respond, wrongByte } from "../../_support/faulty_registry.ts";
import { linuxTest } from "../../_support/skip.ts";
import { peerTest } from "../../_support/peers.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import { makeScene, makeTlsScene, readAll, type Scene, testClient } from "../_client.ts";

const AMD64 = { platform: "linux/amd64" };

/** A directory with the `hosts.toml` of a registry. */
async function hostsOf(registry: string, text: string) {
  const dir = await makeTempDir();
  await Deno.mkdir(dir.join(registry));
  await Deno.writeTextFile(dir.join(registry, "hosts.toml"), text);
  return {
    dir,
    registries: () => {
      return readRegistriesConf({
        env: () => undefined,
        directories: [],
        hostsDirectories: [dir.path],
        daemonFiles: [],
      });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** A table for a host. */
function host({ registry }: Scene, settings = "", path = ""): string {
  return `[host."${registry.url}${path}"]\n${settings}\n`;
}

/** The paths of the requests to a scene, without the names of digests. */
function paths({ registry }: Scene): readonly string[] {
  return registry.seen().map((line) => line.replace(/sha256:[0-9a-f]{64}/, "DIGEST"));
}

async function pull(client: RemoteClient, { reference }: Scene): Promise<string> {
  const image = await client.image(reference, AMD64);
  await Promise.all(image.layers.map(async (layer) => await readAll(await layer.compressed())));
  return image.digest;
}

Deno.test("RemoteClient pulls an image from the host of a hosts.toml, and names the registry", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror));
  using client = testClient(files);

  await pull(client, upstream);

  const ns = `?ns=${encodeURIComponent(upstream.registry.host)}`;
  assertEquals(paths(mirror), [
    `GET /v2/a/b/manifests/v1${ns}`,
    ...Array<string>(3).fill(`GET /v2/a/b/blobs/DIGEST${ns}`),
  ]);
  assertEquals(upstream.registry.requests.length, 0);
});

Deno.test("RemoteClient tries hosts in the order of the file, then the registry by its own name", async () => {
  await using first = makeScene([on({}, respond(500))]);
  await using second = makeScene([on({}, respond(404))]);
  await using upstream = makeScene();
  const text = `server = "${upstream.registry.url}"\n${host(second)}${host(first)}`;
  await using files = await hostsOf(upstream.registry.host, text);
  const warnings: string[] = [];
  using client = testClient({ ...files, onWarning: (message) => warnings.push(message) });

  const found = await client.resolve(upstream.reference);
  const urls = (await client.endpoints(upstream.reference)).map(({ url }) => url);

  assertEquals(found, upstream.image.descriptor);
  assertEquals(urls, [second, first, upstream].map(({ registry }) => `${registry.url}/v2/a/b`));
  assertEquals(paths(upstream), ["HEAD /v2/a/b/manifests/v1"]);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.startsWith(`Skipping the mirror ${first.registry.host}: `), warnings[0]);
});

Deno.test("RemoteClient resolves no tag at a host without resolve, but reads all content there", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  const text = host(mirror, 'capabilities = ["pull"]');
  await using files = await hostsOf(upstream.registry.host, text);
  using client = testClient(files);
  const { digest } = upstream.image.descriptor;

  await pull(client, upstream);
  const byTag = [paths(upstream), mirror.registry.seen("blob").length];
  await client.document({ ...upstream.reference, digest });

  assertEquals(byTag, [["GET /v2/a/b/manifests/v1"], 3]);
  assertEquals(mirror.registry.seen("manifest").length, 1);
});

Deno.test("RemoteClient only resolves tags at a host that may only resolve", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  const text = host(mirror, 'capabilities = ["resolve"]');
  await using files = await hostsOf(upstream.registry.host, text);
  using client = testClient(files);

  await pull(client, upstream);

  assertEquals(mirror.registry.seen().length, 1);
  assertEquals(upstream.registry.seen("blob").length, 3);
});

Deno.test("RemoteClient refuses a tag that no host may resolve", async () => {
  await using upstream = makeScene();
  const text = `server = "${upstream.registry.url}"\ncapabilities = ["pull"]\n`;
  await using files = await hostsOf(upstream.registry.host, text);
  using client = testClient(files);

  await assertRejects(
    () => client.resolve(upstream.reference),
    RegistriesConfError,
    'none of its hosts has the capability "resolve"',
  );
  await client.document({ ...upstream.reference, digest: upstream.image.descriptor.digest });
});

Deno.test("RemoteClient fails if a host serves other bytes for a digest in the reference", async () => {
  await using mirror = makeScene([on("manifest", wrongByte(10))]);
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror));
  using client = testClient(files);
  const { digest } = upstream.image.descriptor;

  await assertRejects(
    () => client.document({ ...upstream.reference, digest }),
    DigestMismatchError,
  );

  assertEquals(upstream.registry.requests.length, 0);
});

/** Serves the registry under another path as well. */
function under(path: string): Fault {
  return (request, next) => next(new Request(request.url.replace(path, "/v2/"), request));
}

Deno.test.each([
  { path: "/base", settings: "", root: "/base/v2/a/b" },
  { path: "/base/v2", settings: "", root: "/base/v2/a/b" },
  { path: "/api/", settings: "override_path = true", root: "/api/a/b" },
  { path: "/v2/proxy", settings: "override_path = true", root: "/v2/proxy/a/b" },
  { path: "/x/v2/proxy", settings: "override_path = true", root: "/x/v2/proxy/a/b" },
])("RemoteClient requests $root from a host at $path", async ({ path, settings, root }) => {
  await using mirror = makeScene([on({}, under(root.replace("a/b", "")))]);
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror, settings, path));
  using client = testClient(files);

  await pull(client, upstream);

  assertEquals(upstream.registry.requests.length, 0);
  assert(paths(mirror).every((line) => line.startsWith(`GET ${root}/`)), String(paths(mirror)));
});

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

Deno.test("RemoteClient pushes to the registry, or to a host that is for pushes", async () => {
  await using mirror = makeScene();
  await using target = makeScene();
  await using upstream = makeScene();
  const { reference, blob } = upstream;
  const push = async (text: string) => {
    await using files = await hostsOf(upstream.registry.host, text);
    using client = testClient(files);
    await client.hasBlob(reference, blob.descriptor);
  };
  const all = 'capabilities = ["pull", "resolve", "push"]';

  await push(host(mirror));
  await push(host(mirror) + host(target, all));
  await assertRejects(
    () => push('capabilities = ["pull"]'),
    RegistriesConfError,
    'none of its hosts has the capability "push"',
  );

  const seen = [mirror, target, upstream].map(({ registry }) => registry.requests.length);
  assertEquals(seen, [0, 1, 1]);
});

Deno.test("RemoteClient prefers explicit mirrors to the hosts of a file", async () => {
  await using mirror = makeScene();
  await using explicit = makeScene();
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror));
  const mirrors = { [upstream.registry.host]: [explicit.registry.url] };
  using client = testClient({ ...files, mirrors });

  await client.document(upstream.reference);

  assertEquals(paths(explicit), ["GET /v2/a/b/manifests/v1"]);
  assertEquals(mirror.registry.requests.length, 0);
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

  const digest = await pull(client, upstream);

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

linuxTest("RemoteClient skips a host that does not accept connections in time", async () => {
  await using upstream = makeScene();
  // The queue of a listener that accepts nothing fills up.
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 0 });
  const { port } = listener.addr;
  const fill = await Promise.all([1, 2].map(() => tryToConnect(port)));
  const settings = 'dial_timeout = "50ms"';
  const text = `[host."http://127.0.0.1:${port}"]\n${settings}\n`;
  await using files = await hostsOf(upstream.registry.host, text);
  const warnings: string[] = [];
  using client = testClient({ ...files, onWarning: (message) => warnings.push(message) });

  const found = await client.resolve(upstream.reference);
  for (const connection of fill) connection?.close();

  assertEquals(found, upstream.image.descriptor);
  assert(warnings[0]?.includes("no connection after 0.05 s"), warnings[0]);
});

async function tryToConnect(port: number): Promise<Deno.TcpConn | undefined> {
  try {
    const signal = AbortSignal.timeout(100);
    return await Deno.connect({ hostname: "127.0.0.1", port, signal });
  } catch {
    return undefined;
  }
}
