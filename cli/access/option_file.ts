import { readUserText } from "../../registry/configuration/user_file.ts";
import type { ClientCertificate } from "../../registry/credentials.ts";
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
 * @throws {UsageError} If one of them is missing or cannot be read.
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
  return {
    cert: await readOptionFile(certOption, cert),
    key: await readOptionFile(keyOption, key),
  };
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
