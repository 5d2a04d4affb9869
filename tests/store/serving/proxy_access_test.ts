import { assert, assertEquals } from "@std/assert";
import {
  type Credential,
  RemoteClient,
  type RemoteClientOptions,
  serveRegistry,
} from "../../../registry/mod.ts";
import { ProxyRegistryContent } from "../../../store/mod.ts";
import { noise } from "../../_support/bytes.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import {
  basicAuth,
  cut,
  type FaultyRegistry,
  faultyRegistry,
  on,
  redirect,
  tokenAuth,
} from "../../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeTempStore } from "../../_support/temp_store.ts";

const IMAGE = buildImage({
  layers: [noise(900_000, 1), noise(10_000, 2), noise(10_000, 3)],
  compression: "none",
});
const IMAGES = new MemoryContent().add("team/app", "v1", IMAGE);
const USERS = { ann: "secret" };
const LOGIN: Credential = { auth: { username: "ann", password: "secret" }, source: "test" };
/** Credential that a client sends to the proxy. */
const OWN = `Basic ${btoa("client:own")}`;

/** Response of a proxy. */
interface Pulled {
  /** The contents of the documents and blobs, in order. */
  readonly bodies: readonly Uint8Array[];
  /** Names of all headers. */
  readonly headers: ReadonlySet<string>;
}

/** Pulls the image through a proxy that logs in to the upstream registry as Ann. */
async function pullThrough(
  upstream: FaultyRegistry,
  options: RemoteClientOptions = {},
): Promise<Pulled> {
  await using store = await makeTempStore();
  using client = new RemoteClient({
    credentials: {
      find: ({ registry }) => Promise.resolve(registry === upstream.host ? LOGIN : undefined),
    },
    retries: 3,
    backoff: { firstMs: 1, maxMs: 1 },
    ...options,
  });
  const content = new ProxyRegistryContent(store, client, { registry: upstream.host });
  await using proxy = await serveRegistry(content);
  const bodies: Uint8Array[] = [];
  const headers = new Set<string>();
  const blobs = [IMAGE.config, ...IMAGE.layers].map(({ descriptor }) => descriptor.digest);
  for (const path of ["manifests/v1", ...blobs.map((digest) => `blobs/${digest}`)]) {
    const response = await fetch(`${proxy.url}/v2/team/app/${path}`, {
      headers: { authorization: OWN },
      redirect: "manual",
    });
    for (const name of response.headers.keys()) headers.add(name);
    bodies.push(await response.bytes());
  }
  return { bodies, headers };
}

/** Checks that a client received the image, and nothing that reveals the upstream registry. */
function assertPulled({ bodies, headers }: Pulled): void {
  assertEquals(bodies, [IMAGE, IMAGE.config, ...IMAGE.layers].map(({ bytes }) => bytes));
  const foreign = ["authorization", "location", "set-cookie", "www-authenticate"];
  assertEquals(foreign.filter((name) => headers.has(name)), []);
}

/** Returns the schemes of the authorizations that a server received; none may be the client's. */
function schemesAt({ requests }: FaultyRegistry): ReadonlySet<string> {
  const all = requests.map(({ headers }) => headers.get("authorization") ?? "none");
  assert(!all.includes(OWN), "the credential of the client went upstream");
  return new Set(all.map((value) => value.split(" ")[0] ?? ""));
}

Deno.test("ProxyRegistryContent renews tokens that expire in the middle of an image", async () => {
  await using tokens = faultyRegistry(new MemoryContent());
  const auth = tokenAuth({
    users: USERS,
    anonymous: false,
    uses: 1,
    realm: () => `${tokens.url}/token`,
  });
  tokens.add(on("token", auth.fault));
  await using upstream = faultyRegistry(IMAGES, [on({}, auth.fault)]);

  assertPulled(await pullThrough(upstream));

  // One for each request: the tag, the manifest, the config and three layers.
  assertEquals(
    auth.exchanges.map(({ user, status }) => [user, status]),
    Array(6).fill(["ann", 200]),
  );
  assertEquals(schemesAt(tokens), new Set(["Basic"]));
  assertEquals(schemesAt(upstream), new Set(["none", "Bearer"]));
});

Deno.test("ProxyRegistryContent renews a token that expires in the middle of a blob", async () => {
  const auth = tokenAuth({ users: USERS, anonymous: false });
  await using upstream = faultyRegistry(IMAGES, [
    on(
      { kind: "blob", method: "GET", path: new RegExp(digestOfLayer()), nth: 1 },
      (request, next) => {
        return cut(300_000)(request, async (changed) => {
          const answer = await next(changed);
          if (request.headers.has("authorization")) auth.expire();
          return answer;
        });
      },
    ),
    on({}, auth.fault),
  ]);

  assertPulled(await pullThrough(upstream));

  assert(auth.exchanges.length >= 2, "no token was renewed");
  assert(upstream.requests.some(({ headers }) => headers.get("range") === "bytes=300000-"));
});

Deno.test("ProxyRegistryContent logs in to a registry with a private CA", async () => {
  await using directory = await makeTempDir();
  const { ca, cert, key } = await makeCertificates(directory.path);
  const tls = { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  await using upstream = faultyRegistry(IMAGES, [on({}, basicAuth(USERS))], { tls });

  assertPulled(await pullThrough(upstream, { caCerts: [await Deno.readTextFile(ca)] }));

  assertEquals(schemesAt(upstream), new Set(["none", "Basic"]));
});

Deno.test("ProxyRegistryContent sends no credential to the host of a redirect", async () => {
  await using storage = faultyRegistry(IMAGES);
  await using upstream = faultyRegistry(IMAGES, [
    on({}, basicAuth(USERS)),
    on({ kind: "blob", method: "GET" }, redirect(storage.url)),
  ]);

  assertPulled(await pullThrough(upstream));

  assertEquals(schemesAt(storage), new Set(["none"]));
  assertEquals(storage.seen("blob").length, 1 + IMAGE.layers.length);
  assertEquals(upstream.bytesSent("blob"), 0);
});

function digestOfLayer(): string {
  return IMAGE.layers[0]?.descriptor.digest ?? "";
}
