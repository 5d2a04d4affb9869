import process from "node:process";
import { assertEquals } from "@std/assert";
import { nodeFetch } from "../../../registry/transport/_node_fetch.ts";

Deno.test("nodeFetch() keeps no listener for each chunk of a body", async () => {
  const chunk = new Uint8Array(256 * 1024);
  const warnings: string[] = [];
  const onWarning = ({ message }: Error) => void warnings.push(message);
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, async (r) => {
    return new Response(String((await r.arrayBuffer()).byteLength));
  });
  process.on("warning", onWarning);

  try {
    const url = new URL(`http://127.0.0.1:${server.addr.port}/`);
    const response = await nodeFetch(url, {
      method: "PUT",
      headers: new Headers(),
      body: ReadableStream.from(Array.from({ length: 40 }, () => chunk)),
      signal: new AbortController().signal,
      tls: { caCerts: [] },
      proxy: undefined,
    });

    assertEquals([await response.text(), warnings], [String(40 * chunk.length), []]);
  } finally {
    process.off("warning", onWarning);
  }
});
