import { checkPath, explainedError } from "../../spec/error_facts.ts";

const CERTIFICATE_REGEXP = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const CERTIFICATE_FILE_REGEXP = /\.(?:crt|pem|cer)$/i;

/**
 * Reads PEM certificates for `caCerts`.
 *
 * @param path Path of a file with any number of certificates, or of a directory whose `.crt`,
 * `.pem` and `.cer` files are read in the order of their names.
 * @returns One string per certificate. Other content of the files, such as keys, is ignored.
 * @throws {SyntaxError} If there is no certificate, which Deno would silently ignore.
 * @throws {Deno.errors.NotFound} If `path` does not exist.
 *
 * @example Trust the authority in a file
 * ```ts
 * import { readCertificates, RemoteClient, serveRegistry } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const cert = await Deno.readTextFile("./server.crt");
 * const key = await Deno.readTextFile("./server.key");
 * await using registry = await serveRegistry(undefined, { cert, key });
 *
 * using client = new RemoteClient({ caCerts: await readCertificates("./ca.crt") });
 *
 * assertEquals(await Array.fromAsync(client.repositories(registry.host)), []);
 * ```
 */
export async function readCertificates(path: string): Promise<string[]> {
  const { readUserText } = await import("../configuration/user_file.ts");
  checkPath("read certificates", path);
  const { isDirectory } = await Deno.stat(path);
  const files = isDirectory ? await listCertificateFiles(path) : [path];
  const texts = await Promise.all(files.map(readUserText));
  const certificates = texts.flatMap((text) => text.match(CERTIFICATE_REGEXP) ?? []);
  if (certificates.length > 0) return certificates;
  throw explainedError(SyntaxError, {
    code: "invalid-text",
    action: `read certificates from "${path}"`,
    subject: path,
    problem: 'it contains no "-----BEGIN CERTIFICATE-----"',
    advice: "Choose a PEM file",
  });
}

async function listCertificateFiles(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.filter(({ name, isDirectory }) =>
    !isDirectory && CERTIFICATE_FILE_REGEXP.test(name)
  )
    .map(({ name }) => `${path}/${name}`).sort();
}
