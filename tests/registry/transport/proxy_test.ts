import { assertEquals, assertStringIncludes } from "@std/assert";
import { networkError } from "../../../registry/transport/network_failure.ts";
import { basicAuth, on } from "../../_support/faulty_registry.ts";
import { runOci } from "../../_support/process.ts";
import { makeScene } from "../_client.ts";

const URL_OF_HOST = new URL("https://registry.example/v2/");

Deno.test("RemoteClient says that it may be the proxy that does not answer", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxy = `http://127.0.0.1:${listener.addr.port}`;
  listener.close();

  const { stderr } = await runOci(["digest", "registry.invalid/a"], {
    env: { HTTPS_PROXY: proxy },
  });

  assertStringIncludes(stderr, "check the name and the port, or the proxy in HTTPS_PROXY");
});

Deno.test.each(["proxy authentication required", "unsuccessful tunnel"])(
  "networkError() names the proxy that answers %s",
  (text) => {
    const cause = new Error(`error sending request: client error (Connect): ${text}`);

    const error = networkError(new TypeError("fetch failed", { cause }), URL_OF_HOST, "pull", 1);

    assertEquals(error.reason, "proxy");
    assertStringIncludes(error.message, `does not connect to registry.example (${text})`);
  },
);

Deno.test.each(["HTTP_PROXY", "http_proxy", "ALL_PROXY"])(
  "RemoteClient keeps what is for this machine from the proxy in %s",
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
