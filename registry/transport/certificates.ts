const CERTIFICATE_REGEXP = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;
const CERTIFICATE_FILE_REGEXP = /\.(?:crt|pem|cer)$/i;

/**
 * Reads certificates in PEM, as `caCerts` takes them.
 *
 * @param path A file with any number of certificates, or a directory, of which every `.crt`,
 * `.pem` and `.cer` file is read, in the order of their names.
 * @returns The certificates, one a string. Other things in the files, such as keys, are left out.
 * @throws {SyntaxError} If there is no certificate: Deno would silently ignore that.
 * @throws {Deno.errors.NotFound} If there is nothing at `path`.
 *
 * @example Read a file with a certificate
 * ```ts
 * import { readCertificates } from "@x/oci/registry";
 * import { assertEquals } from "@std/assert";
 *
 * const path = await Deno.makeTempFile();
 * const pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----";
 * await Deno.writeTextFile(path, `a comment\n${pem}\n`);
 *
 * assertEquals(await readCertificates(path), [pem]);
 * await Deno.remove(path);
 * ```
 */
export async function readCertificates(path: string): Promise<string[]> {
  const { isDirectory } = await Deno.stat(path);
  const files = isDirectory ? await listCertificateFiles(path) : [path];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const certificates = texts.flatMap(splitCertificates);
  if (certificates.length > 0) return certificates;
  throw new SyntaxError(
    `Cannot read certificates from "${path}": there is no "-----BEGIN CERTIFICATE-----" in it`,
  );
}

/** The certificates in a text. */
function splitCertificates(text: string): string[] {
  return text.match(CERTIFICATE_REGEXP) ?? [];
}

async function listCertificateFiles(path: string): Promise<string[]> {
  const entries = await Array.fromAsync(Deno.readDir(path));
  return entries.filter(({ name, isDirectory }) =>
    !isDirectory && CERTIFICATE_FILE_REGEXP.test(name)
  )
    .map(({ name }) => `${path}/${name}`).sort();
}
