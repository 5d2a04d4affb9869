import { assertEquals, assertStringIncludes } from "@std/assert";
import { networkError, stallError } from "../../../registry/transport/network_failure.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import { unusedAddress } from "../../_support/connections.ts";
import { basicAuth, on, respond } from "../../_support/faulty_registry.ts";
import { runOci } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeScene } from "../_client.ts";

const REQUEST = {
  url: new URL("https://registry.example/v2/"),
  task: { action: "pull", subject: "a" },
  attempt: 1,
};

Deno.test.each(["http", "socks5"])(
  "RemoteClient names a proxy that does not respond: %s",
  async (scheme) => {
    const proxy = `${scheme}://${unusedAddress()}`;

    const { stderr } = await runOci(["digest", "registry.invalid/a"], {
      env: { HTTPS_PROXY: proxy },
    });

    assertStringIncludes(stderr, `the proxy ${proxy} of HTTPS_PROXY does not respond`);
  },
);

Deno.test.each([
  { name: "HTTPS_PROXY", args: [], server: " or registry.invalid" },
  { name: "HTTP_PROXY", args: ["--plain-http"], server: "" },
])("RemoteClient names a proxy that does not speak TLS: $name", async ({ name, args, server }) => {
  await using scene = makeScene();
  const proxy = `https://${scene.registry.host}`;

  const { stderr } = await runOci(["digest", "--retries", "0", ...args, "registry.invalid/a"], {
    env: { [name]: proxy },
  });

  assertStringIncludes(
    stderr,
    `the proxy ${proxy} of ${name}${server} does not speak TLS. ` +
      `If the proxy is meant to be plain HTTP, write "http://" in ${name}`,
  );
});

Deno.test("networkError() names a proxy whose certificate may be the wrong one", () => {
  const cause = new Error("client error (Connect): invalid peer certificate: UnknownIssuer");
  const proxy = { variable: "HTTPS_PROXY", url: "https://10.1.1.1:3128" };

  const { message } = networkError(new TypeError("", { cause }), { ...REQUEST, proxy });

  assertStringIncludes(
    message,
    "the certificate of the proxy https://10.1.1.1:3128 of HTTPS_PROXY or registry.example is not " +
      "trusted",
  );
});

Deno.test.each([
  { text: "proxy authentication required", says: "the proxy requires a login (407)" },
  {
    text: "unsuccessful tunnel",
    says: "cannot connect to registry.example (unsuccessful tunnel)",
  },
])(
  "networkError() names the proxy that answers $text",
  ({ text, says }) => {
    const cause = new Error(`error sending request: client error (Connect): ${text}`);

    const error = networkError(new TypeError("fetch failed", { cause }), REQUEST);

    assertEquals(error.reason, "proxy");
    assertStringIncludes(error.message, says);
  },
);

Deno.test("stallError() names the proxy that may be the reason", () => {
  const proxy = { variable: "HTTP_PROXY", url: "socks5://10.1.1.1:1080" };

  const { message } = stallError({ ...REQUEST, proxy }, 30_000);

  assertStringIncludes(message, "for 30 s through the proxy socks5://10.1.1.1:1080 of HTTP_PROXY");
});

/** Runs `oci digest` for a registry that only a proxy reaches. */
async function digestThrough(env: Readonly<Record<string, string>>) {
  return await runOci(["digest", "--plain-http", "--retries", "0", "registry.test:5000/a/b:v1"], {
    env,
  });
}

Deno.test("RemoteClient uses a proxy whose login has special characters", async () => {
  await using scene = makeScene();
  const { registry, image } = scene;

  const { stdout, stderr } = await digestThrough({
    HTTP_PROXY: `http://u@corp:p@ss:w/d%@${registry.host}`,
    // By itself, Deno would then connect directly.
    NO_PROXY: ".registry.test,registry.test:5001",
  });

  assertEquals([stdout, stderr], [`${image.descriptor.digest}\n`, ""]);
  const login = registry.requests[0]?.headers.get("proxy-authorization");
  assertEquals(login, `Basic ${btoa("u@corp:p@ss:w/d%")}`);
});

/** Serves a SOCKS5 proxy that connects every client to one server, and records requested hosts. */
function socksProxy(target: string) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const hosts: string[] = [];
  const { hostname, port } = new URL(`http://${target}`);
  const serve = async (client: Deno.Conn) => {
    const buffer = new Uint8Array(512);
    await client.read(buffer);
    await client.write(new Uint8Array([5, 0]));
    await client.read(buffer);
    hosts.push(new TextDecoder().decode(buffer.subarray(5, 5 + (buffer[4] ?? 0))));
    await client.write(new Uint8Array([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
    const server = await Deno.connect({ hostname, port: Number(port) });
    await Promise.allSettled([
      client.readable.pipeTo(server.writable),
      server.readable.pipeTo(client.writable),
    ]);
  };
  const accepting = (async () => {
    const serving: Promise<void>[] = [];
    for await (const client of listener) serving.push(serve(client));
    await Promise.all(serving);
  })();
  return {
    address: `127.0.0.1:${listener.addr.port}`,
    hosts,
    [Symbol.asyncDispose]: async () => {
      listener.close();
      await accepting;
    },
  };
}

Deno.test("RemoteClient uses a SOCKS proxy, which resolves the name", async () => {
  await using scene = makeScene();
  await using proxy = socksProxy(scene.registry.host);

  const { stdout, stderr } = await digestThrough({ ALL_PROXY: `socks5h://${proxy.address}` });

  assertEquals([stdout, stderr], [`${scene.image.descriptor.digest}\n`, ""]);
  assertEquals(proxy.hosts, ["registry.test"]);
});

Deno.test("RemoteClient reports that the proxy requires a login, without a retry", async () => {
  await using scene = makeScene([on({}, respond(407))]);

  const { code, stderr } = await digestThrough({
    HTTP_PROXY: `http://${scene.registry.host}`,
  });

  assertEquals(code, 1);
  const proxy = `the proxy http://${scene.registry.host} of HTTP_PROXY`;
  assertStringIncludes(stderr, `${proxy} requires a login (407). Write the login in HTTP_PROXY`);
  assertEquals(scene.registry.requests.length, 1);
});

Deno.test("RemoteClient does not bypass a proxy with an invalid address", async () => {
  const { code, stderr } = await digestThrough({ HTTP_PROXY: "http://proxy:port" });

  assertEquals(code, 1);
  assertStringIncludes(stderr, "the value of HTTP_PROXY is not the address of a proxy");
});

Deno.test("RemoteClient does not send requests to this machine over TLS through a proxy", async () => {
  await using temp = await makeTempDir();
  const paths = await makeCertificates(temp.path);
  const [cert, key] = await Promise.all(
    [paths.cert, paths.key].map((path) => Deno.readTextFile(path)),
  );
  await using proxy = makeScene([on({}, respond(502))]);
  await using scene = makeScene([], { tls: { cert: cert ?? "", key: key ?? "" } });

  const { stdout } = await runOci(
    ["digest", "--ca", paths.ca, `${scene.registry.host}/a/b:v1`],
    { env: { HTTPS_PROXY: proxy.registry.url, ALL_PROXY: proxy.registry.url } },
  );

  assertEquals(stdout, `${scene.image.descriptor.digest}\n`);
  assertEquals(proxy.registry.requests, []);
});

Deno.test("RemoteClient requests a path without a proxy, and a URL with one", async () => {
  const targets: string[] = [];
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = (async () => {
    for await (const connection of listener) {
      const buffer = new Uint8Array(4096);
      const size = await connection.read(buffer) ?? 0;
      targets.push(new TextDecoder().decode(buffer.subarray(0, size)).split(" ")[1] ?? "");
      await connection.write(
        new TextEncoder().encode(
          "HTTP/1.1 404 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        ),
      );
      connection.close();
    }
  })();
  const { port } = listener.addr as Deno.NetAddr;
  const env = { HTTP_PROXY: `http://127.0.0.1:${port}` };

  await runOci(["digest", "--plain-http", "registry.test/a:1"], { env });
  const proxied = targets.splice(0);
  await runOci(["digest", "--plain-http", `127.0.0.1:${port}/a:1`], { env });
  listener.close();
  await accepting;

  assertEquals(new Set(proxied), new Set(["http://registry.test/v2/a/manifests/1"]));
  assertEquals(new Set(targets), new Set(["/v2/a/manifests/1"]));
});

Deno.test.each(["HTTP_PROXY", "http_proxy", "ALL_PROXY"])(
  "RemoteClient sends requests to this machine directly despite %s",
  async (name) => {
    const proxied: string[] = [];
    await using proxy = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
      proxied.push(url);
      return new Response(null, { status: 502 });
    });
    await using scene = makeScene([on({}, basicAuth({ me: "pw" }))]);
    const { registry, image } = scene;

    const { stdout, stderr } = await runOci(
      ["digest", "--user", "me:pw", `${registry.host}/a/b:v1`],
      { env: { [name]: `http://127.0.0.1:${proxy.addr.port}` } },
    );

    assertEquals([stdout, stderr], [`${image.descriptor.digest}\n`, ""]);
    assertEquals(proxied, []);
  },
);
