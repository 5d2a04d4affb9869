import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  createRegistryHandler,
  MemoryRegistryContent,
  type RegistryHandlerOptions,
  serveRegistry,
} from "../../../registry/mod.ts";

const PAGE = { "accept-language": "en" };

/** Returns the status of a request for `/v2/`. */
async function statusOf(
  origin: string,
  headers: HeadersInit,
  options: RegistryHandlerOptions = {},
): Promise<number> {
  await using handler = createRegistryHandler(new MemoryRegistryContent(), options);
  const response = await handler(new Request(`${origin}/v2/`, { headers }));
  await response.body?.cancel();
  return response.status;
}

Deno.test.each([
  { name: "accept-language", value: "" },
  { name: "user-agent", value: "Mozilla/5.0 (X11; Linux x86_64)" },
  { name: "referer", value: "http://evil.com/" },
  { name: "origin", value: "http://evil.com" },
  { name: "cookie", value: "a=b" },
  { name: "sec-fetch-site", value: "same-origin" },
])("createRegistryHandler() refuses a page that rebinds its name: $name", async (header) => {
  const headers = { [header.name]: header.value };

  assertEquals(await statusOf("http://evil.com:5000", headers), 403);
  assertEquals(await statusOf("http://evil.com.:5000", headers), 403);
});

Deno.test("createRegistryHandler() names the page that it refuses", async () => {
  await using handler = createRegistryHandler(new MemoryRegistryContent());

  const response = await handler(
    new Request("http://evil.com:5000/v2/_catalog", { headers: PAGE }),
  );

  const [error] = (await response.json()).errors;
  assertEquals(error.code, "DENIED");
  assertStringIncludes(error.message, '"evil.com"');
});

Deno.test.each([
  "http://127.0.0.1:5000",
  "http://127.8.9.1",
  "http://[::1]:5000",
  "http://192.168.0.7:5000",
  "http://localhost:5000",
  "http://oci.localhost",
  "http://registry:5000",
  "http://nas.lan:5000",
  "http://box.local",
  "http://host.docker.internal:5000",
  "http://host.containers.internal:5000",
  "http://router.home.arpa",
  // A browser compares this name with that of the certificate.
  "https://registry.example.com",
])("createRegistryHandler() serves browsers at %s", async (origin) => {
  assertEquals(await statusOf(origin, PAGE), 200);
});

Deno.test.each([
  { "user-agent": "docker/24.0 go/go1.20", "accept-encoding": "gzip" },
  { "user-agent": "containers/5.23", "docker-distribution-api-version": "registry/2.0" },
  { "user-agent": "python-requests/2.28", "accept-encoding": "gzip, deflate", accept: "*/*" },
  { "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https" },
])("createRegistryHandler() serves registry clients under any name: %o", async (headers) => {
  assertEquals(await statusOf("http://registry.example.com", new Headers({ ...headers })), 200);
});

Deno.test("createRegistryHandler() serves browsers under a given name or with a password", async () => {
  const origin = "http://Registry.example.com:5000";
  const authenticate = () => undefined;

  assertEquals(await statusOf(origin, PAGE, { hostnames: ["other.example.com"] }), 403);
  assertEquals(await statusOf(origin, PAGE, { hostnames: ["registry.Example.com"] }), 200);
  assertEquals(await statusOf(origin, PAGE, { authenticate }), 200);
});

Deno.test("createRegistryHandler() refuses subresources of other sites, but not links", async () => {
  const page = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };

  assertEquals(await statusOf("http://127.0.0.1:5000", page), 403);
  assertEquals(await statusOf("https://registry.example.com", page), 403);
  assertEquals(await statusOf("http://127.0.0.1:5000", link), 200);
});

Deno.test("serveRegistry() refuses a page that rebinds its name to the loopback", async () => {
  await using registry = await serveRegistry();
  const { hostname, port } = new URL(registry.url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `GET /v2/ HTTP/1.1\r\nHost: evil.com:${port}\r\nAccept-Language: en\r\n` +
    "Connection: close\r\n\r\n";

  await connection.write(new TextEncoder().encode(head));
  const answer = await new Response(connection.readable).text();

  assertStringIncludes(answer, "HTTP/1.1 403");
});
