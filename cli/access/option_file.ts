import { readUserText } from "../../registry/configuration/user_file.ts";
import type { ClientCertificate } from "../../registry/credentials.ts";
import { CERTIFICATE_MARK, ENCRYPTED_KEY } from "../../registry/http1/certificate_error.ts";
import { errorCode, isExplained } from "../../spec/error_facts.ts";
import { describeSystemError, inputAdvice } from "../../store/host/system_error.ts";
import { UsageError } from "../frame/errors.ts";

/**
 * Reads the text of a file that an option names.
 *
 * @param option Long form of the option, such as `--tls-cert`.
 * @throws {UsageError} If it cannot be read; the error names the option.
 */
export async function readOptionFile(option: string, path: string): Promise<string> {
  return await naming(option, path, () => readUserText(path));
}

/**
 * Reads a certificate and its private key.
 *
 * @param prefix Start of the options, such as `--tls` for `--tls-cert` and `--tls-key`.
 * @throws {UsageError} If one of them is missing or cannot be read, or if they are no pair.
 */
export async function readKeyPair(
  prefix: string,
  cert: string | undefined,
  key: string | undefined,
): Promise<ClientCertificate> {
  const [certOption, keyOption] = [`${prefix}-cert`, `${prefix}-key`];
  if (cert === undefined || key === undefined) {
    throw new UsageError(
      `"${certOption}" and "${keyOption}" must be used together`,
      "Add the missing one",
    );
  }
  const pair = {
    cert: await readOptionFile(certOption, cert),
    key: await readOptionFile(keyOption, key),
  };
  if (!pair.cert.includes(CERTIFICATE_MARK)) {
    const problem = `cannot use ${certOption} "${cert}": it contains no "${CERTIFICATE_MARK}"`;
    throw new UsageError(problem, "Choose a PEM file");
  }
  if (!PRIVATE_KEY_REGEXP.test(pair.key) || ENCRYPTED_KEY.test(pair.key)) {
    const problem =
      `cannot use ${keyOption} "${key}": it contains no private key without a password`;
    throw new UsageError(problem, 'Choose a PEM file, or remove the password with "openssl pkey"');
  }
  if (!isPair(pair)) {
    throw new UsageError(
      `the key of ${keyOption} is not that of the certificate of ${certOption}`,
      "Choose the key with which the certificate was requested",
    );
  }
  return pair;
}

const PRIVATE_KEY_REGEXP = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/;

/** Whether a key belongs to a certificate; also true if they are of a kind that Node cannot read. */
function isPair({ cert, key }: ClientCertificate): boolean {
  const { createPrivateKey, X509Certificate } = globalThis.process.getBuiltinModule("node:crypto");
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    // The TLS library reports the error.
    return true;
  }
}

/**
 * Reads the file of an option. Errors of the operating system and about the content then name the
 * option.
 */
export async function naming<T>(
  option: string,
  path: string,
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    const isSystem = errorCode(error) !== undefined;
    const isContent = error instanceof SyntaxError && isExplained(error);
    if (!isSystem && !isContent) throw error;
    const [verb, why, remedy] = isContent
      ? ["use", error.problem, error.advice]
      : ["read", describeSystemError(error), inputAdvice(error)];
    const problem = `cannot ${verb} ${option} "${path}": ${why}`;
    throw new UsageError(problem, remedy, { subject: path, cause: error });
  }
}
