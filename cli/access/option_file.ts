import { errorCode } from "../../spec/error_facts.ts";
import { describeSystemError } from "../../store/host/system_error.ts";
import { UsageError } from "../frame/errors.ts";

/**
 * Reads the text of a file that an option names.
 *
 * @param option Long form of the option, such as `--tls-cert`.
 * @throws {UsageError} If it cannot be read; the error names the option.
 */
export async function readOptionFile(option: string, path: string): Promise<string> {
  return await naming(option, path, () => Deno.readTextFile(path));
}

/** Names the option in the errors of the operating system about its file. */
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
    throw new UsageError(problem, "Check the path", { subject: path, cause: error });
  }
}
