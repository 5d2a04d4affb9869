import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { RegistriesConfError } from "../../../registry/mod.ts";
import { DigestMismatchError } from "../../../spec/mod.ts";
import { type Fault, on, respond, wrongByte } from "../../_support/faulty_registry.ts";
import { linuxTest } from "../../_support/skip.ts";
import { makeScene, pullAll, testClient } from "../_client.ts";
import { host, hostsOf, paths } from "./_hosts_toml.ts";

Deno.test("RemoteClient pulls an image from the host of a hosts.toml, and names the registry", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  await using files = await hostsOf(upstream.registry.host, host(mirror));
  using client = testClient(files);

  await pullAll(client, upstream);

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

  await pullAll(client, upstream);
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

  await pullAll(client, upstream);

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

  await pullAll(client, upstream);

  assertEquals(upstream.registry.requests.length, 0);
  assert(paths(mirror).every((line) => line.startsWith(`GET ${root}/`)), String(paths(mirror)));
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

Deno.test("RemoteClient mounts from a repository by its name at the host for pushes", async () => {
  await using target = makeScene([on({}, respond(201))]);
  await using upstream = makeScene();
  const text = host(target, 'capabilities = ["push"]\noverride_path = true', "/v2/team");
  await using files = await hostsOf(upstream.registry.host, text);
  using client = testClient(files);
  const { reference, blob } = upstream;
  const unread = () => Promise.reject(new Error("the bytes are not needed"));

  await client.pushBlob(reference, blob.descriptor, unread, { mountFrom: "c/d" });

  assertMatch(
    target.registry.seen().join("\n"),
    /^POST \/v2\/team\/a\/b\/blobs\/uploads\/\?mount=sha256[^&]*&from=team%2Fc%2Fd&ns=[^&]*$/,
  );
});

Deno.test("RemoteClient looks for a tag of a source where no host is for pushes", async () => {
  await using mirror = makeScene();
  await using upstream = makeScene();
  const text = `capabilities = ["pull", "resolve"]\n` +
    host(mirror, 'capabilities = ["pull"]');
  await using hosts = await hostsOf(upstream.registry.host, text);
  using client = testClient({ registries: hosts.registries });

  const found = await client.findTag(upstream.reference, "v1");

  assertEquals(found, upstream.image.descriptor);
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
