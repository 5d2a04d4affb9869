/**
 * Resolves an image by a name whose first addresses do not respond, and prints its digest. It runs
 * in a separate network. Without arguments, it serves the image at the last address, and repeats
 * itself with the permission for the name alone.
 *
 * @module
 */
import { parseReference } from "../../../registry/mod.ts";
import { makeCertificates } from "../../_support/certificates.ts";
import { ROOT } from "../../_support/process.ts";
import { makeTempDir } from "../../_support/temp.ts";
import { makeScene, testClient } from "../_client.ts";

const [registry, ca] = Deno.args;

if (registry === undefined || ca === undefined) await serve();
else await resolve(registry, ca);

async function serve(): Promise<void> {
  await using temp = await makeTempDir();
  const paths = await makeCertificates(temp.path, ["both.test"]);
  const [authority = "", cert = "", key = ""] = await Promise.all(
    [paths.ca, paths.cert, paths.key].map((path) => Deno.readTextFile(path)),
  );
  await using _scene = makeScene([], {
    tls: { cert, key },
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
