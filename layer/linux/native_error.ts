import { errorCode, explainsItself, systemCause } from "../../spec/error_facts.ts";

/**
 * Error codes of Linux by number: name, description, and the class that Deno's API throws. It is
 * looked up later, so that Node and Bun can load this module.
 */
const ERRORS: Readonly<Record<number, readonly [string, string, (keyof typeof Deno.errors)?]>> = {
  1: ["EPERM", "Operation not permitted", "PermissionDenied"],
  2: ["ENOENT", "No such file or directory", "NotFound"],
  4: ["EINTR", "Interrupted system call", "Interrupted"],
  5: ["EIO", "Input/output error"],
  9: ["EBADF", "Bad file descriptor", "BadResource"],
  12: ["ENOMEM", "Cannot allocate memory"],
  13: ["EACCES", "Permission denied", "PermissionDenied"],
  16: ["EBUSY", "Device or resource busy", "Busy"],
  17: ["EEXIST", "File exists", "AlreadyExists"],
  18: ["EXDEV", "Invalid cross-device link"],
  20: ["ENOTDIR", "Not a directory", "NotADirectory"],
  21: ["EISDIR", "Is a directory", "IsADirectory"],
  22: ["EINVAL", "Invalid argument"],
  23: ["ENFILE", "Too many open files in system"],
  24: ["EMFILE", "Too many open files"],
  26: ["ETXTBSY", "Text file busy", "Busy"],
  27: ["EFBIG", "File too large"],
  28: ["ENOSPC", "No space left on device"],
  30: ["EROFS", "Read-only file system"],
  31: ["EMLINK", "Too many links"],
  34: ["ERANGE", "Numerical result out of range"],
  36: ["ENAMETOOLONG", "File name too long"],
  38: ["ENOSYS", "Function not implemented", "NotSupported"],
  39: ["ENOTEMPTY", "Directory not empty"],
  40: ["ELOOP", "Too many levels of symbolic links", "FilesystemLoop"],
  61: ["ENODATA", "No data available"],
  75: ["EOVERFLOW", "Value too large for defined data type"],
  84: ["EILSEQ", "Invalid or incomplete multibyte or wide character"],
  95: ["EOPNOTSUPP", "Operation not supported", "NotSupported"],
  116: ["ESTALE", "Stale file handle"],
  122: ["EDQUOT", "Disk quota exceeded"],
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
  const [code, text, name] = ERRORS[errno] ?? [`E${errno}`, "Unknown error"];
  const ErrorClass = name === undefined ? Error : Deno.errors[name];
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
