import { assertEquals } from "@std/assert";
import { digestOf } from "../../spec/mod.ts";
import { noise } from "../_support/bytes.ts";
import {
  basicAuth,
  type FaultyRegistry,
  faultyRegistry,
  on,
  redirect,
  tokenAuth,
} from "../_support/faulty_registry.ts";
import { buildImage, MemoryContent } from "../_support/image.ts";
import { serve } from "../_support/oci_serve.ts";
import { dockerRegistry, peerTest, runPeer } from "../_support/peers.ts";
import { runOci } from "../_support/process.ts";
import { file, tar } from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { pushBuilt } from "../cache/moving/_pushed.ts";

const IMAGE = buildImage({
  layers: [tar(file("data", noise(3_000_000))), tar(file("hello", "hello\n"))],
  config: { Cmd: ["/hello"] },
});
const IMAGES = new MemoryContent().add("team/app", "v1", IMAGE);
const [username, password] = ["ann", "secret"];
const USERS = { [username]: password };

/** A registry that `oci serve --proxy` is in front of. */
interface Upstream extends AsyncDisposable {
  readonly url: string;
  /** Options of `oci serve` for the registry. */
  readonly options: readonly string[];
  /** Checks which servers have received credentials. */
  check?(): void;
}

/** The schemes of all authorizations that a server has received. */
function schemesAt({ requests }: FaultyRegistry): ReadonlySet<string | undefined> {
  return new Set(requests.map(({ headers }) => headers.get("authorization")?.split(" ")[0]));
}

/** A registry whose token server is on another port, and whose tokens end before the blobs. */
function withTokens(): Promise<Upstream> {
  const tokens = faultyRegistry(new MemoryContent());
  const realm = () => `${tokens.url}/token`;
  const auth = tokenAuth({ users: USERS, anonymous: false, realm });
  tokens.add(on("token", auth.fault));
  const registry = faultyRegistry(IMAGES, [
    on({ kind: "blob", times: 1 }, (_, next) => {
      auth.expire();
      return next();
    }),
    on({}, auth.fault),
  ]);
  return Promise.resolve({
    url: registry.url,
    options: [],
    check: () => {
      assertEquals(schemesAt(tokens), new Set(["Basic"]));
      assertEquals(schemesAt(registry), new Set([undefined, "Bearer"]));
      assertEquals(auth.exchanges.length > 1, true, "no token has ended");
    },
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      await tokens[Symbol.asyncDispose]();
    },
  });
}

/** Debian's registry with HTTPS, a private authority and a password. */
async function withTls(): Promise<Upstream> {
  const auth = { username, password };
  const registry = await dockerRegistry({ auth, tls: true });
  const ca = registry.certificates?.ca ?? "";
  await pushBuilt(registry, "team/app:v1", IMAGE, {
    credentials: { find: () => Promise.resolve({ auth, source: "test" }) },
    caCerts: [await Deno.readTextFile(ca)],
  });
  return {
    url: registry.url,
    options: ["--ca", ca],
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}

/** A registry with a password that has its blobs on another host. */
function withRedirects(): Promise<Upstream> {
  const storage = faultyRegistry(IMAGES);
  const registry = faultyRegistry(IMAGES, [
    on({}, basicAuth(USERS)),
    on({ kind: "blob", method: "GET" }, redirect(storage.url)),
  ]);
  return Promise.resolve({
    url: registry.url,
    options: [],
    check: () => {
      assertEquals(schemesAt(storage), new Set([undefined]));
      assertEquals(registry.bytesSent("blob"), 0);
    },
    [Symbol.asyncDispose]: async () => {
      await registry[Symbol.asyncDispose]();
      await storage[Symbol.asyncDispose]();
    },
  });
}

/** A client of the proxy, which returns the digest of the image that it has pulled. */
interface Client {
  readonly name: string;
  readonly needs: readonly string[];
  readonly root?: boolean;
  pull(reference: string): Promise<string>;
}

const CLIENTS: readonly Client[] = [
  {
    name: "oci",
    needs: [],
    async pull(reference) {
      const { stdout } = await runOci(["pull", "-q", "--platform=linux/amd64", reference]);
      return stdout.trim().slice(reference.length + 1);
    },
  },
  {
    name: "skopeo",
    needs: ["skopeo"],
    async pull(reference) {
      await using temp = await makeTempDir();
      await runPeer("skopeo", [
        ...["copy", "--quiet", "--insecure-policy", "--src-tls-verify=false"],
        ...[`docker://${reference}`, `dir:${temp.path}`],
      ], { env: { HOME: temp.path } });
      return digestOf(await Deno.readFile(temp.join("manifest.json")));
    },
  },
  {
    name: "podman",
    needs: ["podman"],
    root: true,
    async pull(reference) {
      await using temp = await makeTempDir({ large: true });
      const store = ["--root", temp.join("root"), "--runroot", temp.join("run")];
      const podman = (...args: readonly string[]) =>
        runPeer("podman", [...store, "--storage-driver=vfs", ...args], {
          env: { HOME: temp.path },
        });
      await podman("pull", "--quiet", "--tls-verify=false", reference);
      const { stdout } = await podman("image", "inspect", "--format={{.Digest}}", reference);
      return stdout.trim();
    },
  },
];

const UPSTREAMS = [
  { what: "a registry with tokens", start: withTokens, needs: [] },
  {
    what: "a registry with a private authority and a password",
    start: withTls,
    needs: ["docker-registry", "htpasswd"],
  },
  { what: "a registry that redirects to another host", start: withRedirects, needs: [] },
];

for (const { what, start, needs } of UPSTREAMS) {
  for (const { name, needs: own, root = false, pull } of CLIENTS) {
    peerTest({
      name: `oci serve --proxy of ${what} serves ${name}`,
      needs: [...needs, ...own],
      root,
    }, async () => {
      await using temp = await makeTempDir();
      await using upstream = await start();
      const proxy = await serve(temp.join("store"), [
        ...["--proxy", upstream.url, "--user", `${username}:${password}`],
        ...upstream.options,
      ]);
      let digest: string;
      try {
        digest = await pull(`${proxy.url.replace("http://", "")}/team/app:v1`);
      } finally {
        const { stderr } = await proxy.stop("SIGTERM");
        assertEquals(stderr, "");
      }

      assertEquals(digest, IMAGE.descriptor.digest);
      upstream.check?.();
    });
  }
}
