import { describeError, errorCode, isDiskFull, systemCause } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { isGuardedPath } from "../../spec/granted.ts";

/**
 * Describes the cause of a system error, for use in another message. Deno's own text would repeat
 * the path and the system call.
 */
export function describeSystemError(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) return missingPermission(error).problem;
  return systemCause(error) ?? describeError(error);
}

/** Verbs for the calls that Deno's error messages name. */
const CALLS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    create: ["link", "mkdir", "mkdirat", "mknod", "symlink", "symlinkat"],
    open: ["open", "openat", "openat2"],
    read: ["lstat", "readdir", "readfile", "readlink", "realpath", "scandir", "stat"],
    remove: ["remove", "rmdir", "unlink", "unlinkat"],
    rename: ["rename", "renameat", "renameat2"],
    write: ["copy", "truncate", "write", "writefile"],
  }).flatMap(([verb, calls]) => calls.map((call) => [call, verb])),
);

/**
 * Describes a system error as a complete message: the failed action, the path and the cause. Only
 * the error's text has the call and the path.
 *
 * @returns `undefined` if the text does not name them.
 */
export function describeFailedCall(error: Error): string | undefined {
  const [, call = "", path] = /: ([a-z]+[0-9]?) ['"](.*?)['"](?: -> .*)?$/s.exec(error.message) ??
    [];
  const code = errorCode(error) ?? "";
  const verb = CALLS.get(call) ?? "use";
  const lacksDirectory = code === "ENOENT" && (verb === "create" || verb === "write");
  const cause = lacksDirectory ? "its directory does not exist" : systemCause(error);
  if (path === undefined || cause === undefined) return undefined;
  // The paths of a file tree are relative to its root.
  return `cannot ${verb} ${path === "" ? "the target directory" : `"${path}"`}: ${cause}`;
}

export interface MissingPermission {
  /** What is not permitted, in words. */
  readonly problem: string;
  /** Flag that grants it, with a value if this value alone suffices, such as a host. */
  readonly flag: string | undefined;
}

/**
 * Determines which Deno permission is missing. The error has no fields for that, so its text is
 * parsed.
 */
export function missingPermission({ message }: Deno.errors.NotCapable): MissingPermission {
  const [, problem = message, kind] =
    /^(.*?), run again with the --allow-([a-z-]+) flag/s.exec(message) ?? [];
  if (kind === undefined) return { problem, flag: undefined };
  const [, value] = /access to "([^"]+)"$/.exec(problem) ?? [];
  if (isGuardedPath(value ?? "")) return { problem, flag: "--allow-all" };
  // A command needs more than a single path, so the flag has no value.
  const isWhole = value === undefined || ["all", "ffi", "read", "write"].includes(kind);
  return { problem, flag: isWhole ? `--allow-${kind}` : `--allow-${kind}=${value}` };
}

/** Returns the error for a file or a stream that cannot be written, by its name for the user. */
export function outputError(name: string, cause: Error, where?: "stream"): OciError {
  const problem = outputProblem(cause);
  const [action, advice] = where === "stream"
    ? [`write to ${name}`, "Redirect it to another place"]
    : [`write "${name}"`, outputAdvice(cause)];
  return new OciError(problem, { code: "output", action, subject: name, advice, cause });
}

function outputProblem(cause: Error): string {
  if (cause instanceof Deno.errors.NotFound) return "its directory does not exist";
  if (cause instanceof Deno.errors.IsADirectory) return "it is a directory";
  return describeSystemError(cause);
}

function outputAdvice(cause: Error): string {
  if (cause instanceof Deno.errors.NotFound) return "Create the directory first";
  if (cause instanceof Deno.errors.IsADirectory) return "Choose a file in it";
  if (cause instanceof Deno.errors.PermissionDenied) {
    return "Check the owner and the mode of its directory";
  }
  return isDiskFull(cause)
    ? 'Free some space; if enough is free, free inodes, which "df -i" shows'
    : "Choose another place";
}

/** Returns advice about a file that the user named and that cannot be read. */
export function inputAdvice(cause: unknown): string {
  return cause instanceof Deno.errors.PermissionDenied
    ? "Check its owner and mode, and those of its directory"
    : "Check the path";
}

/** Whether an error of Deno or Node means that a file, or a directory in its path, is missing. */
export function isAbsent(error: unknown): boolean {
  return error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory ||
    errorCode(error) === "ENOENT";
}

/** Returns whether an error means that this process cannot create anything at a path. */
export function isImpossiblePlace(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied || isAbsent(error) ||
    errorCode(error) === "EROFS";
}

/** Returns whether an error means that this process may not write to a location. */
export function isRefusedWrite(error: unknown): boolean {
  if (error instanceof OciError) return error.code === "output" && isRefusedWrite(error.cause);
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || errorCode(error) === "EROFS";
}
