import { NotCachedError } from "../../cache/errors.ts";
import {
  ArtifactError,
  AuthError,
  type CertificateFault,
  CredentialFileError,
  LoginError,
  NetworkError,
  NotFoundError,
  RegistryError,
} from "../../registry/errors.ts";
import { DigestMismatchError, LimitError, OciError, PlatformError } from "../../spec/errors.ts";
import { ArchiveError, type ArchiveFault, StoreError, UnpackError } from "../../store/errors.ts";
import { printable } from "../terminal/format.ts";

/** Thrown when the command line is invalid. The message contains cause and remedy. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
  }
}

/** Returns the error that came first, where cleaning up after it has failed as well. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/**
 * Formats an error as one line: `oci: <action>: <cause>; <remedy>`.
 *
 * @param error Thrown value.
 * @param doing Action of the command, such as `pull alpine:3`.
 */
export function errorLine(error: unknown, doing: string): string {
  const { wrong, advice } = explain(error);
  return printable(`oci: ${doing}: ${stateOf(wrong, doing)}; ${advice}`);
}

/**
 * What is wrong, without what was being done: the library says that as well, and calls it a pull
 * whatever the command is.
 */
function stateOf(wrong: string, doing: string): string {
  const [, subject = "", state] =
    /^Cannot (?:pull|push|delete|list the (?:tags|repositories) of|log in to|log out of) "([^"]*)": (.*)$/s
      .exec(wrong) ?? [];
  if (state === undefined) return wrong.replace(/^Cannot /, "cannot ");
  return doing.includes(subject) ? state : `"${subject}": ${state}`;
}

/** Returns the JSON form of an error. */
export function errorDocument(error: unknown): Record<string, unknown> {
  const fields = error instanceof OciError
    ? error.toJSON()
    : error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
  return { error: fields };
}

/** Formats the causes of an error, one per line, the nearest first. */
export function causeLines(error: unknown): readonly string[] {
  const lines: string[] = [];
  const seen = new Set<unknown>([error]);
  let cause = causesOf(error);
  while (cause.length > 0) {
    const next: unknown[] = [];
    for (const one of cause) {
      if (seen.has(one)) continue;
      seen.add(one);
      const text = one instanceof Error ? `${one.name}: ${one.message}` : String(one);
      lines.push(printable(`  caused by: ${text}`));
      next.push(...causesOf(one));
    }
    cause = next;
  }
  return lines;
}

function causesOf(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [];
  const several = error instanceof AggregateError ? error.errors : [];
  return error.cause === undefined ? several : [...several, error.cause];
}

interface Explanation {
  readonly wrong: string;
  readonly advice: string;
}

function missingAdvice({ missing }: NotFoundError): string {
  const isPart = missing === "child" || missing === "config" || missing === "blob";
  return isPart
    ? "ask the owner of the image to push it again"
    : "check the name, or log in with --user";
}

/** Returns the cause of an error, and the remedy in terms of the command line. */
function explain(error: unknown): Explanation {
  if (!(error instanceof Error)) return { wrong: String(error), advice: UNEXPECTED };
  const [wrong, own] = splitAdvice(error.message || error.name);
  if (error instanceof LoginError) {
    return { wrong, advice: "check the user name and the password or token" };
  }
  if (error instanceof AuthError) {
    return { wrong, advice: 'log in with "oci login", or give --user' };
  }
  if (error instanceof CredentialFileError) {
    return { wrong, advice: "fix the file, or specify another one with --authfile" };
  }
  if (error instanceof NotFoundError) {
    return { wrong: error.message, advice: missingAdvice(error) };
  }
  if (error instanceof NotCachedError) {
    return { wrong: "it is not in the store", advice: "pull it with --policy if-not-present" };
  }
  if (error instanceof PlatformError) return { wrong, advice: "choose one with --platform" };
  if (error instanceof ArtifactError) {
    return {
      wrong: `cannot read "${error.reference}" as an image: it is an artifact of type ` +
        `"${error.artifactType ?? error.mediaType}"`,
      advice: 'get its files with "oci artifact pull", or its manifest with "oci inspect --raw"',
    };
  }
  if (error instanceof ArchiveError) return { wrong, advice: ARCHIVE_ADVICE[error.code] };
  if (error instanceof LimitError) return { wrong, advice: LIMITED };
  if (error instanceof Deno.errors.NotCapable) return explainPermission(error);
  return { wrong, advice: own === undefined ? adviceFor(error) : withFlags(own) };
}

/** Flags for the library options in its remedies. */
const FLAGS: readonly (readonly [option: string, flag: string])[] = [
  ['"uids"', "--uid-map"],
  ['"gids"', "--gid-map"],
  ['choose the ownership "squash" or "record"', "give --ownership squash or record"],
  ['choose the ownership "squash"', "give --ownership squash"],
  ["with force", "with --force"],
  ["use a store on a local disk", "choose a store on a local disk with --store"],
  ['--store, the option "store" or the variable OCI_STORE', "--store or $OCI_STORE"],
  ["name the store that the bundle was made with", "name its store with --store"],
  ["do without, the uncompressed bundler needs none", "leave out --unpack"],
];

function withFlags(advice: string): string {
  return FLAGS.reduce((text, [option, flag]) => text.replace(option, () => flag), advice);
}

/** Splits Deno's message into the cause and the flag after the comma. */
function explainPermission({ message }: Error): Explanation {
  const [, wrong = message, flag = "all"] =
    /^(.*), run again with the --allow-([a-z-]+) flag/s.exec(message) ?? [];
  const [, value] = /access to "([^"]+)"$/.exec(wrong) ?? [];
  // A path is one of many in a directory, so the flag is granted without a value.
  const isPath = flag === "read" || flag === "write" || flag === "all";
  const scoped = value === undefined || isPath ? flag : `${flag}=${value}`;
  return {
    wrong,
    advice: `grant it with --allow-${scoped}, or all that a command needs with "oci permissions"`,
  };
}

const ARCHIVE_ADVICE: Readonly<Record<ArchiveFault, string>> = {
  format: 'give a file that "docker save", "podman save", skopeo or "oci save" wrote',
  damaged: "save or copy it again",
  hostile: "do not extract it with other tools; report it to its author",
  incomplete: "save or copy it again",
  absent: "check the path and the name after it",
  ambiguous: 'name one, as in "oci-archive:FILE:NAME"',
};
const UNKNOWN = "show the cause with --verbose";
const UNEXPECTED = "report it if this should work";
const LIMITED = "it may be an attack; if it is not, a program of yours can raise the limit";

/** Remedies for system errors without a Deno error class, by code. */
const ADVICE_BY_CODE: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit of open files with "ulimit -n 1024"',
  ENFILE: "close other programs; the system allows no more open files",
  ENOSPC: 'free some space; if enough is free, free inodes, which "df -i" shows',
  EDQUOT: "free some space",
  EROFS: "choose a writable place; for the store, use --store",
};

/** Returns the default remedy for an error. */
function adviceFor(error: Error): string {
  if (error instanceof UsageError) return "see --help";
  if (error instanceof DigestMismatchError) {
    // A file is named in quotes, a URL is not.
    return error.source?.startsWith('"')
      ? "fetch it again with --policy if-not-present"
      : "it was not stored; try again or use another mirror";
  }
  if (error instanceof NetworkError) return networkAdvice(error);
  if (error instanceof RegistryError && error.retryable) return "try again later";
  if (error instanceof UnpackError) return 'list its files with "oci ls"';
  if (error instanceof Deno.errors.NotFound) return "check that the path exists";
  if (error instanceof Deno.errors.IsADirectory) return "name a file, not a directory";
  if (error instanceof Deno.errors.NotADirectory) {
    return "check the path: one of its ancestors is a file";
  }
  if (error instanceof Deno.errors.PermissionDenied) return "check its owner and mode";
  const byCode = adviceByCode(error) ?? adviceByCode(error.cause);
  if (byCode !== undefined) return byCode;
  if (causesOf(error).length > 0) return UNKNOWN;
  if (error instanceof StoreError) return "check the path and the name after it";
  if (error instanceof RegistryError) return "see each request with --debug";
  // Invalid documents of an image cannot be fixed by the user.
  return error instanceof SyntaxError ? "report it to the author of the image" : UNEXPECTED;
}

/** Remedies for problems of a certificate. */
const CERTIFICATE_ADVICE: Readonly<Record<CertificateFault, string>> = {
  "untrusted": "trust its CA with --ca, or the CAs of the system with DENO_TLS_CA_STORE=system",
  "own-authority": "trust it with --ca",
  "expired": "ask its operator to renew it",
  "not-yet-valid": "check the clock",
  "wrong-name": "use one of its names",
  "client": "if it requires a client certificate, specify one with --client-cert and --client-key",
};

function networkAdvice({ reason, certificate, url }: NetworkError): string {
  if (certificate !== undefined) return CERTIFICATE_ADVICE[certificate];
  if (reason !== "protocol") return "try again to resume";
  return url.startsWith("https:")
    ? "if it is meant to be plain HTTP, use --plain-http"
    : "leave out --plain-http";
}

function adviceByCode(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  return typeof code === "string" ? ADVICE_BY_CODE[code] : undefined;
}

/** Splits a message into cause and remedy at the last semicolon outside quotes. */
function splitAdvice(message: string): readonly [wrong: string, advice?: string] {
  let quoted = false;
  let at = -1;
  for (let i = 0; i < message.length; i++) {
    if (message[i] === '"') quoted = !quoted;
    if (!quoted && message.startsWith("; ", i)) at = i;
  }
  return at < 0 ? [message] : [message.slice(0, at), message.slice(at + 2)];
}
