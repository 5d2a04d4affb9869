import { OciError } from "../spec/errors.ts";

/**
 * Thrown when the environment does not define the directory of the store.
 *
 * @example Fall back to another directory
 * ```ts
 * import { storeDirectory, StoreDirectoryError } from "@x/oci/cache";
 * import { assert } from "@std/assert";
 *
 * function findStore(): string {
 *   try {
 *     return storeDirectory();
 *   } catch (error) {
 *     if (error instanceof StoreDirectoryError) return "/var/lib/oci";
 *     throw error;
 *   }
 * }
 *
 * assert(findStore() !== "");
 * ```
 */
export class StoreDirectoryError extends OciError {
  /** Names of the variables that can define it. */
  readonly variables: readonly string[];

  /** Creates the error; `problem` describes the problem with the variables. */
  constructor(variables: readonly string[], problem: string, options?: ErrorOptions) {
    super(problem, {
      ...options,
      code: "store-place",
      action: "find the directory of the store",
      advice: 'Set OCI_STORE, or choose a directory with "store"',
      option: "store",
    });
    this.variables = variables;
  }
}

/**
 * Returns the environment variables that {@linkcode storeDirectory} reads on an operating system.
 *
 * @param os Operating system, as in `Deno.build.os`.
 * @returns Their names, in the order in which they are read.
 */
export function storeVariables(os: typeof Deno.build.os = Deno.build.os): readonly string[] {
  if (os === "windows") return ["OCI_STORE", "LOCALAPPDATA"];
  if (os === "darwin") return ["OCI_STORE", "HOME"];
  return ["OCI_STORE", "XDG_DATA_HOME", "HOME"];
}

/**
 * Returns the default directory of the store: `$OCI_STORE`; else on Linux `$XDG_DATA_HOME/oci` or
 * `~/.local/share/oci`, on macOS `~/Library/Application Support/oci`, on Windows
 * `%LOCALAPPDATA%\oci`.
 *
 * The environment is read on each call, and only as far as needed. A variable that is set but empty
 * counts as unset, and so does an `XDG_DATA_HOME` that is not absolute, as the XDG base directory
 * specification requires.
 *
 * @returns The path of the directory, which need not exist.
 * @throws {StoreDirectoryError} If no variable defines the directory, or they may not be read; the
 * message names the flag.
 *
 * @example Where the store is
 * ```ts
 * import { storeDirectory } from "@x/oci/cache";
 * import { assertEquals } from "@std/assert";
 *
 * Deno.env.set("OCI_STORE", "/var/lib/oci");
 *
 * assertEquals(storeDirectory(), "/var/lib/oci");
 * Deno.env.delete("OCI_STORE");
 * ```
 */
export function storeDirectory(): string {
  const { os } = Deno.build;
  const given = variable("OCI_STORE");
  if (given !== undefined) return given;
  if (os === "windows") return `${required("LOCALAPPDATA")}\\oci`;
  if (os === "darwin") return `${required("HOME")}/Library/Application Support/oci`;
  const data = variable("XDG_DATA_HOME");
  if (data?.startsWith("/")) return `${data}/oci`;
  return `${required("HOME")}/.local/share/oci`;
}

function required(name: string): string {
  const value = variable(name);
  if (value !== undefined) return value;
  throw new StoreDirectoryError(storeVariables(), `${name} is not set`);
}

function variable(name: string): string | undefined {
  try {
    return Deno.env.get(name) || undefined;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotCapable)) throw cause;
    const names = storeVariables();
    throw new StoreDirectoryError(
      names,
      `${name} may not be read, which requires --allow-env=${names.join(",")}`,
      { cause },
    );
  }
}
