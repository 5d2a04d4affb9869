import { assertEquals } from "@std/assert";
import { basicAuth, on } from "../_support/faulty_registry.ts";
import { runOci } from "../_support/process.ts";
import { makeScene } from "./_client.ts";

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
