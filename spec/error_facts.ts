/**
 * What went wrong, for programs. Codes stay the same when messages are reworded. An argument that has
 * the right type but is invalid also causes an error with one of these codes.
 *
 * Content that cannot be accepted:
 *
 * - `"digest-mismatch"`: bytes do not match a digest or a size
 * - `"unsupported-digest"`: the algorithm of a digest is not supported
 * - `"diff-id-mismatch"`: a layer does not match the DiffID in the config of its image
 * - `"invalid-document"`: a manifest, an index, a config or an image as a whole is invalid
 * - `"artifact"`: a container image is required, and the content is an artifact
 * - `"layer-type"`: the media type of a layer is not that of a tar archive
 * - `"not-distributable"`: a layer must not be copied
 * - `"unsigned"`: the image must be signed but has no signature
 * - `"signature"`: no signature of the image is valid
 * - `"limit"`: the input exceeds a limit
 * - `"platform"`: the image has no variant for the platform
 * - `"unknown-user"`: the image has no such user or group
 * - `"no-command"`: there is no command to run
 *
 * Layers:
 *
 * - `"tar"`: a tar archive is damaged, truncated or unsupported
 * - `"compression"`: compressed bytes are damaged, truncated or unsupported
 * - `"extract"`: an entry cannot be extracted
 * - `"path-escape"`: an entry would replace or hide the root
 * - `"ownership"`: the owner of an entry cannot be set
 * - `"missing-path"`: the image does not contain a requested path
 *
 * Text and arguments:
 *
 * - `"invalid-reference"`: text is not a reference or the location of an image
 * - `"invalid-text"`: other text, such as a digest or a platform, has the wrong form
 * - `"invalid-argument"`: an argument is out of bounds, or does not fit the image, the host or other
 *   arguments
 *
 * Registries:
 *
 * - `"response"`: a registry, a token server or a CDN returned an unexpected response
 * - `"unauthorized"`: access is denied: the login is missing, wrong or insufficient
 * - `"login-rejected"`: the credential of a login is rejected
 * - `"not-found"`: a repository, tag, manifest or blob does not exist or is hidden
 * - `"rate-limit"`: there were too many requests
 * - `"tag-deletion"`: the registry cannot delete tags
 * - `"network"`: there is no response, or the connection breaks
 * - `"credential-file"`: a credential file cannot be changed without data loss
 * - `"credential-place"`: no environment variable specifies where the credential file is
 * - `"credential-helper"`: a credential helper failed
 * - `"registries-conf"`: a `registries.conf` file is damaged
 * - `"blocked"`: a `registries.conf` file blocks the registry or the image
 *
 * Stores and archives:
 *
 * - `"not-cached"`: the image is not in the cache, and the pull policy forbids fetching it
 * - `"not-in-store"`: the store does not have the image
 * - `"partly-in-store"`: the store has only some platforms of the image
 * - `"missing-content"`: a layout or a store lacks content of an image
 * - `"no-image"`: a layout has no image, or several images to choose from
 * - `"store-place"`: no environment variable specifies where the store is
 * - `"not-a-store"`: a directory is not a store
 * - `"untrusted-store"`: another user can write to the directory of a store
 * - `"store-file"`: a file of a store is damaged or cannot be trusted
 * - `"store-damaged"`: a document in the store is damaged
 * - `"store-read-only"`: a store that was opened for reading cannot be written
 * - `"no-locks"`: the file system of a store does not support locks
 * - `"disk-full"`: the disk or the quota of the user is full
 * - `"archive"`: an archive of images cannot be read
 * - `"archive-format"`: the format of the archive cannot represent the content
 * - `"output"`: a file or a stream cannot be written
 * - `"artifact-file"`: a file of an artifact cannot be packed or written under its name
 *
 * Directories, bundles and containers:
 *
 * - `"not-empty"`: the directory is not empty
 * - `"not-a-directory"`: the path is not a directory
 * - `"busy"`: another process uses the directory
 * - `"leftover"`: the directory has an entry that may be a leftover of a killed process
 * - `"foreign-file"`: another program has written to the directory in the meantime
 * - `"bundle-exists"`: the directory already contains a bundle
 * - `"bundle-unknown"`: the directory is not a bundle, or the store has no record of it
 * - `"bundle-moved"`: the bundle was moved or copied
 * - `"bundle-running"`: a container of the bundle runs or may run
 * - `"mounted"`: something is mounted in a directory to remove
 * - `"unmount"`: a mount of a bundle cannot be undone
 * - `"overlay"`: overlays cannot be mounted
 * - `"working-directory"`: the working directory of the container is not a directory
 * - `"runtime-missing"`: no runtime for containers is installed
 * - `"runtime-failed"`: a runtime cannot be executed
 * - `"container-start"`: a runtime cannot start a container
 *
 * `"other"` is everything else.
 */
export type ErrorCode =
  | "digest-mismatch"
  | "unsupported-digest"
  | "diff-id-mismatch"
  | "invalid-document"
  | "artifact"
  | "layer-type"
  | "not-distributable"
  | "unsigned"
  | "signature"
  | "limit"
  | "platform"
  | "unknown-user"
  | "no-command"
  | "tar"
  | "compression"
  | "extract"
  | "path-escape"
  | "ownership"
  | "missing-path"
  | "invalid-reference"
  | "invalid-text"
  | "invalid-argument"
  | "response"
  | "unauthorized"
  | "login-rejected"
  | "not-found"
  | "rate-limit"
  | "tag-deletion"
  | "network"
  | "credential-file"
  | "credential-place"
  | "credential-helper"
  | "registries-conf"
  | "blocked"
  | "not-cached"
  | "not-in-store"
  | "partly-in-store"
  | "missing-content"
  | "no-image"
  | "store-place"
  | "not-a-store"
  | "untrusted-store"
  | "store-file"
  | "store-damaged"
  | "store-read-only"
  | "no-locks"
  | "disk-full"
  | "archive"
  | "archive-format"
  | "output"
  | "artifact-file"
  | "not-empty"
  | "not-a-directory"
  | "busy"
  | "leftover"
  | "foreign-file"
  | "bundle-exists"
  | "bundle-unknown"
  | "bundle-moved"
  | "bundle-running"
  | "mounted"
  | "unmount"
  | "overlay"
  | "working-directory"
  | "runtime-missing"
  | "runtime-failed"
  | "container-start"
  | "other";

/** The facts of an error, from which its message is composed. */
export interface ErrorFacts {
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** Action that failed, as it follows "Cannot", such as `pull "alpine:3"`. */
  readonly action?: string | undefined;
  /** Object of the action: a reference, a host or a path, as the caller specified it. */
  readonly subject?: string | undefined;
  /** The cause in words, without the action and the advice. */
  readonly problem: string;
  /** What to do, as a sentence without a period, in terms of the library. */
  readonly advice?: string | undefined;
  /** The option of the library that helps or is at fault, such as `"platform"`. */
  readonly option?: string | undefined;
}

/** Composes the message of an error: `Cannot <action>: <problem>. <Advice>`. */
export function errorMessage({ action, problem, advice }: Omit<ErrorFacts, "code">): string {
  return (action === undefined ? "" : `Cannot ${action}: `) + problem +
    (advice === undefined ? "" : `. ${advice}`);
}

/**
 * Creates an error of a built-in class, such as `SyntaxError`, that carries facts.
 *
 * @param ErrorClass Class of the error.
 * @param facts Facts, from which the message is composed.
 */
export function explainedError<T extends Error>(
  ErrorClass: new (message: string, options?: ErrorOptions) => T,
  facts: ErrorFacts,
  options?: ErrorOptions,
): T & ErrorFacts {
  return Object.assign(new ErrorClass(errorMessage(facts), options), facts);
}

/**
 * Checks integers that a caller has passed, such as options.
 *
 * @param action The action in the error message, such as `"copy"`.
 * @param values The integers by name; those that are `undefined` are not checked.
 * @param min Smallest valid integer.
 * @param max Largest valid integer.
 * @throws {RangeError} If a value is not an integer from `min` to `max`.
 */
export function checkIntegers(
  action: string,
  values: Readonly<Record<string, number | undefined>>,
  min: number,
  max: number = Number.MAX_SAFE_INTEGER,
): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (Number.isSafeInteger(value) && value >= min && value <= max) continue;
    const rule = max === Number.MAX_SAFE_INTEGER ? `>= ${min}` : `from ${min} to ${max}`;
    throw outOfBounds(action, name, `an integer ${rule}`, value);
  }
}

/**
 * Checks limits that a caller has passed. `Infinity` is one; `NaN` is not, because no number exceeds
 * it.
 *
 * @param action The action in the error message, such as `"copy"`.
 * @param values The limits by name; those that are `undefined` are not checked.
 * @throws {RangeError} If a value is not a number >= 0.
 */
export function checkLimits(
  action: string,
  values: Readonly<Record<string, number | undefined>>,
): void {
  for (const [name, value = 0] of Object.entries(values)) {
    if (!(value >= 0)) throw outOfBounds(action, name, ">= 0", value);
  }
}

/**
 * Rejects an empty path, such as the value of an unset variable: with a slash and a name appended, it
 * would be a path in the root directory.
 *
 * @throws {RangeError} If the path is empty.
 */
export function checkPath(action: string, path: string, option = "path"): void {
  if (path !== "") return;
  const problem = 'the path must not be ""';
  throw explainedError(RangeError, { code: "invalid-argument", action, problem, option });
}

function outOfBounds(action: string, name: string, rule: string, value: number): RangeError {
  return explainedError(RangeError, {
    code: "invalid-argument",
    action,
    problem: `"${name}" must be ${rule}, but it is ${value}`,
    option: name,
  });
}

/** Whether an error carries facts. */
export function isExplained(error: unknown): error is Error & ErrorFacts {
  const { code, problem } = (error ?? {}) as Partial<ErrorFacts>;
  return error instanceof Error && typeof code === "string" && typeof problem === "string";
}

/** Describes an error at the end of another message: its action and its cause, but no advice. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!isExplained(error)) return error.message || error.name;
  return error.action === undefined ? error.problem : `cannot ${error.action}: ${error.problem}`;
}

/** Returns the cause of an error, without the action. */
export function problemOf(error: unknown): string {
  return isExplained(error) ? error.problem : describeError(error);
}

/** Classes of errors. */
type ErrorClasses = readonly (abstract new (...args: never[]) => Error)[];

/** Returns `undefined` for an error of one of these classes, and throws any other. */
function passOver(error: unknown, classes: ErrorClasses): undefined {
  if (!classes.some((ErrorClass) => error instanceof ErrorClass)) throw error;
}

/** Returns the result of a call; `undefined` if it throws an error of one of these classes. */
export function unlessThrown<T>(call: () => T, ...classes: ErrorClasses): T | undefined {
  try {
    return call();
  } catch (error) {
    return passOver(error, classes);
  }
}

/** Returns a result; `undefined` if the promise rejects with an error of one of these classes. */
export async function unlessRejected<T>(
  result: Promise<T>,
  ...classes: ErrorClasses
): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    return passOver(error, classes);
  }
}

/** Returns the code of an operating system error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  // The errors of this package have other codes.
  if (!(error instanceof Error) || !("code" in error) || isExplained(error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Causes in words, by the error code of the operating system. */
const CAUSES: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "this machine does not have the address",
  EBUSY: "it is in use",
  EDQUOT: "the disk quota is used up",
  EEXIST: "it already exists",
  EILSEQ: "the file system does not allow its characters",
  EIO: "the device reports an input or output error",
  EISDIR: "it is a directory",
  ELOOP: "there are too many levels of symlinks",
  EMFILE: "too many files are open",
  EMLINK: "there are too many links to it",
  ENAMETOOLONG: "the name is too long",
  ENOENT: "it does not exist",
  ENOSPC: "the disk is full",
  ENOTDIR: "a part of its path is not a directory",
  EPERM: "the operation is not permitted",
  EROFS: "the file system is read-only",
  EXDEV: "it is on another file system",
};

/**
 * Returns the cause of an operating system error in words, for use in another message. The error's
 * own message contains the system call, its number and a path.
 *
 * @returns `undefined` if its code is unknown.
 */
export function systemCause(error: unknown): string | undefined {
  return CAUSES[errorCode(error) ?? ""];
}

/** Errors of this package that have the code of an operating system error. */
const EXPLAINED = new WeakSet<Error>();

/**
 * Adds the code of an operating system error, such as `ENOENT`, to an error whose message is fit for
 * use in another one.
 */
export function withCode(error: Error, code: string): Error {
  EXPLAINED.add(error);
  return Object.assign(error, { code });
}

/** Whether an error has a message of its own, rather than that of the operating system. */
export function explainsItself(error: Error): boolean {
  return EXPLAINED.has(error) || errorCode(error) === undefined;
}

/** Whether an error means that the disk is full, has no inodes left, or the quota is used up. */
export function isDiskFull(error: unknown): boolean {
  if (error instanceof Error && isExplained(error)) {
    return error.code === "output" && isDiskFull(error.cause);
  }
  const code = errorCode(error);
  return code === "ENOSPC" || code === "EDQUOT";
}
