/**
 * Calls servers at cloud metadata addresses, and prints the results. Runs in a separate network
 * namespace with such addresses, and with names that resolve to them. The argument is the hosts
 * file of the namespace.
 *
 * @module
 */
import { speaksTls } from "../../../registry/endpoints/_speaks_tls.ts";
import { parseReference, RemoteClient } from "../../../registry/mod.ts";
import { serveConnections } from "../../_support/connections.ts";
import { on, redirect, tokenAuth } from "../../_support/faulty_registry.ts";
import { makeScene } from "../_client.ts";

const LINK_LOCAL = "169.254.169.254";
const PORT = 8080;

let connections = 0;
const serve = (hostname: string, onRequest: () => void) => {
  return Deno.serve({ hostname, port: PORT, onListen() {} }, () => {
    onRequest();
    // Each request resolves the name again.
    return new Response(null, { status: 404, headers: { connection: "close" } });
  });
};
const metadata = [LINK_LOCAL, "100.100.100.200", "fd00:ec2::254"]
  .map((hostname) => serve(hostname, () => connections++));
let others = 0;
const other = serve("10.9.9.9", () => others++);
const outcomes: Record<string, string> = {};

function createClient(): RemoteClient {
  return new RemoteClient({
    credentials: "none",
    plainHttp: true,
    retries: 0,
    allowPrivateAddresses: true,
  });
}

async function attempt(name: string, registry: string, client = createClient()): Promise<void> {
  using _client = client;
  try {
    await client.document(parseReference(`${registry}/a/b:v1`));
    outcomes[name] = "done";
  } catch (error) {
    outcomes[name] = error instanceof Error ? error.message : String(error);
  }
}

for (
  const host of [
    ...[LINK_LOCAL, "[::ffff:a9fe:a9fe]", "metadata.test", "both.test"],
    ...["100.100.100.200", "alibaba.test", "[fd00:ec2::254]", "ec2.test"],
  ]
) {
  await attempt(host, `${host}:${PORT}`);
}
for (const host of [LINK_LOCAL, "metadata.test"]) {
  const target = `http://${host}:${PORT}`;
  await using redirecting = makeScene([on("manifest", redirect(target))]);
  await attempt(`redirect to ${host}`, redirecting.registry.host);
  await using asking = makeScene([on({}, tokenAuth({ realm: () => `${target}/token` }).fault)]);
  await attempt(`token server at ${host}`, asking.registry.host);
}
{
  using client = createClient();
  const reference = parseReference(`changing.test:${PORT}/a/b:v1`);
  await client.document(reference).catch(() => {});
  const [hosts = ""] = Deno.args;
  const text = await Deno.readTextFile(hosts);
  await Deno.writeTextFile(hosts, text.replace("10.9.9.9 changing", `${LINK_LOCAL} changing`));
  await attempt("a name whose address changes", reference.registry, client);
}
/** Asks a server that answers each connection with a TLS alert. */
async function asksForTls(hostname: string, name: string): Promise<boolean> {
  const listener = Deno.listen({ hostname, port: 0 });
  await using _server = serveConnections(listener, async (connection) => {
    await connection.read(new Uint8Array(2000));
    await connection.write(Uint8Array.of(0x15, 3, 3, 0, 2, 2, 40));
  });
  return await speaksTls(new URL(`https://${name}:${listener.addr.port}`), { timeoutMs: 1000 });
}
const tls = [
  await asksForTls("10.9.9.9", "10.9.9.9"),
  await asksForTls(LINK_LOCAL, LINK_LOCAL),
  await asksForTls(LINK_LOCAL, "metadata.test"),
];
await Promise.all(metadata.map((server) => server.shutdown()));
await other.shutdown();
const report = JSON.stringify({ connections, others, outcomes, tls });
Deno.stdout.writeSync(new TextEncoder().encode(report));
