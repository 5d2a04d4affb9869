import { assertEquals } from "@std/assert";
import process from "node:process";
import { nodeExchange } from "../../../registry/transport/_node_exchange.ts";
import { Watchdog } from "../../../registry/transport/_watchdog.ts";

Deno.test("nodeExchange() keeps no listener for each chunk of a body", async () => {
  const chunk = new Uint8Array(256 * 1024);
  const warnings: string[] = [];
  const onWarning = ({ message }: Error) => void warnings.push(message);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (r) => {
    return new Response(String((await r.arrayBuffer()).byteLength));
  });
  process.on("warning", onWarning);

  try {
    const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
    const { signal } = new AbortController();
    using watchdog = new Watchdog({
      signal,
      stallTimeoutMs: 60_000,
      stallError: () => new Error("stalled"),
      onGiveUp() {},
    });
    let sent = 0;
    const source = {
      size: 40 * chunk.length,
      read: () => Promise.resolve(sent++ < 40 ? chunk : undefined),
      cancel() {},
    };
    const { body } = await nodeExchange({ url, tls: { caCerts: [] } }, {}, {
      method: "PUT",
      headers: new Headers(),
      body: source,
      signal,
      watchdog,
    });
    const received = await body?.read(new Uint8Array());

    const text = new TextDecoder().decode(received?.value);
    assertEquals([text, warnings], [String(source.size), []]);
    assertEquals(await body?.read(new Uint8Array()), { done: true });
  } finally {
    process.off("warning", onWarning);
  }
});
