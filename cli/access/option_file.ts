import { readUserText } from "../../registry/configuration/user_file.ts";
import type { ClientCertificate } from "../../registry/remote_client_options.ts";
import { errorCode, problemOf } from "../../spec/error_facts.ts";
import { describeSystemError, inputAdvice } from "../../store/host/system_error.ts";
import { UsageError } from "../frame/errors.ts";

/**
 * Reads the text of a file that an option names.
 *
 * @param option Long form of the option, such as `--tls-cert`.
 * @throws {UsageError} If it cannot be read; the error names the option.
 */
export async function readOptionFile(option: string, path: string): Promise<string> {
  try {
    return await naming(option, path, () => readUserText(path));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const problem = `cannot read ${option} "${path}": ${problemOf(error)}`;
    throw new UsageError(problem, "Specify a small file", { subject: path, cause: error });
  }
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

/** Reads the file of an option. Errors of the operating system then name the option. */
export async function naming<T>(
  option: string,
  path: string,
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    const problem = `cannot read ${option} "${path}": ${describeSystemError(error)}`;
    throw new UsageError(problem, inputAdvice(error), { subject: path, cause: error });
  }
}
