/**
 * Resolves an image by a name whose first addresses do not respond, and prints its digest. Runs in
 * a separate network namespace. Without arguments, it serves the image at the last address,
 * resolves it, and starts itself again with permission for the name only.
 *
 * @module
 */
import { parseReference } from "../../../registry/mod.ts";
import { makeServerTls } from "../../_support/certificates.ts";
import { ROOT } from "../../_support/process.ts";
import { makeScene, testClient } from "../_client.ts";

const [registry, ca] = Deno.args;

if (registry === undefined || ca === undefined) await serve();
else await resolve(registry, ca);

async function serve(): Promise<void> {
  const { ca: authority, ...tls } = await makeServerTls(["both.test"]);
  await using _scene = makeScene([], {
    tls,
    address: { hostname: "10.9.9.9", port: 8443 },
  });
  await resolve("both.test:8443", authority);
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-prompt", "--no-check", `--config=${ROOT}/deno.json`],
      ...["--allow-env", "--allow-read", "--allow-net=both.test"],
      ...[import.meta.filename ?? "", "both.test:8443", authority],
    ],
  }).spawn().status;
  if (!success) throw new Error("Cannot resolve the image");
}

async function resolve(registry: string, ca: string): Promise<void> {
  using client = testClient({ caCerts: [ca], retries: 0, stallTimeoutMs: 5_000 });
  const { digest } = await client.resolve(parseReference(`${registry}/a/b:v1`));
  Deno.stdout.writeSync(new TextEncoder().encode(`${digest}\n`));
}
