import { errorCode, explainsItself, systemCause } from "../../spec/error_facts.ts";

type ErrorClass = new (message: string, options?: ErrorOptions) => Error;

/** Error codes of Linux by number: name, description, and the class that Deno's API throws. */
const ERRORS: Readonly<Record<number, readonly [string, string, ErrorClass]>> = {
  1: ["EPERM", "Operation not permitted", Deno.errors.PermissionDenied],
  2: ["ENOENT", "No such file or directory", Deno.errors.NotFound],
  4: ["EINTR", "Interrupted system call", Deno.errors.Interrupted],
  5: ["EIO", "Input/output error", Error],
  9: ["EBADF", "Bad file descriptor", Deno.errors.BadResource],
  12: ["ENOMEM", "Cannot allocate memory", Error],
  13: ["EACCES", "Permission denied", Deno.errors.PermissionDenied],
  16: ["EBUSY", "Device or resource busy", Deno.errors.Busy],
  17: ["EEXIST", "File exists", Deno.errors.AlreadyExists],
  18: ["EXDEV", "Invalid cross-device link", Error],
  20: ["ENOTDIR", "Not a directory", Deno.errors.NotADirectory],
  21: ["EISDIR", "Is a directory", Deno.errors.IsADirectory],
  22: ["EINVAL", "Invalid argument", Error],
  23: ["ENFILE", "Too many open files in system", Error],
  24: ["EMFILE", "Too many open files", Error],
  26: ["ETXTBSY", "Text file busy", Deno.errors.Busy],
  27: ["EFBIG", "File too large", Error],
  28: ["ENOSPC", "No space left on device", Error],
  30: ["EROFS", "Read-only file system", Error],
  31: ["EMLINK", "Too many links", Error],
  34: ["ERANGE", "Numerical result out of range", Error],
  36: ["ENAMETOOLONG", "File name too long", Error],
  38: ["ENOSYS", "Function not implemented", Deno.errors.NotSupported],
  39: ["ENOTEMPTY", "Directory not empty", Error],
  40: ["ELOOP", "Too many levels of symbolic links", Deno.errors.FilesystemLoop],
  61: ["ENODATA", "No data available", Error],
  75: ["EOVERFLOW", "Value too large for defined data type", Error],
  84: ["EILSEQ", "Invalid or incomplete multibyte or wide character", Error],
  95: ["EOPNOTSUPP", "Operation not supported", Deno.errors.NotSupported],
  116: ["ESTALE", "Stale file handle", Error],
  122: ["EDQUOT", "Disk quota exceeded", Error],
};

/** Error codes for an operation that the file system does not support. FUSE returns `ENOSYS`. */
const UNSUPPORTED: ReadonlySet<string> = new Set(["EOPNOTSUPP", "ENOSYS"]);

/** The failed system call of an error. */
export interface FailedCall {
  /** Name of the system call, such as `openat2`. */
  readonly call: string;
  /** Path, or a description of the object, that the call was for. */
  readonly target: string;
}

/** Creates the error that Deno's API would throw for a failed system call. */
export function nativeError(errno: number, call: string, path: string): Error & FailedCall {
  const [code, text, ErrorClass] = ERRORS[errno] ??
    [`E${errno}`, "Unknown error", Error] as const;
  const error = new ErrorClass(`${text} (os error ${errno}): ${call} "${path}"`);
  return Object.assign(error, { code, call, target: path });
}

/**
 * Describes the cause of an error, for use in another message. The text of an error of the operating
 * system has its number, the system call and the path; errors of this package explain themselves.
 */
export function describeCause(error: Error): string {
  if (explainsItself(error)) return error.message;
  const isUnsupported = UNSUPPORTED.has(errorCode(error) ?? "");
  if (isUnsupported) return "the file system does not support it";
  return systemCause(error) ?? error.message;
}
