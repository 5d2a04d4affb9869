import { NotCachedError } from "../../cache/errors.ts";
import { StoreDirectoryError } from "../../cache/store_directory.ts";
import { OwnershipError } from "../../layer/errors.ts";
import type { CertificateFault } from "../../registry/error_fields.ts";
import {
  NetworkError,
  NotFoundError,
  RateLimitError,
  RegistryError,
} from "../../registry/errors.ts";
import type { ErrorCode, ErrorFacts } from "../../spec/error_facts.ts";
import { DigestMismatchError, LimitError, OciError, PlatformError } from "../../spec/errors.ts";
import { ArchiveError, type ArchiveFault } from "../../store/errors.ts";
import { type DirectoryFault, UntrustedStoreError } from "../../store/host/private_directory.ts";
import type { Command } from "./command.ts";
import { NAME_ADVICE } from "./errors.ts";
import { idsAdvice } from "./ids_advice.ts";
import { limitRemedy } from "./limits.ts";

/** An error of the library, with its code and fields. */
export type LibraryError = Error & ErrorFacts;

/** Returns the remedy for an error of the library, if its code and fields imply one. */
export function remedyFor(
  error: LibraryError,
  command: Command | undefined,
  operands: readonly string[] = [],
): string | undefined {
  const remedy = REMEDIES[error.code] ?? error.advice;
  return typeof remedy === "function" ? remedy(error, command, operands) : remedy;
}

/**
 * Returns what to do about an error in terms of commands and options, as a sentence without a
 * period.
 *
 * @param command The command that failed, if it is known.
 * @param operands Its operands.
 */
type Remedy = (
  error: LibraryError,
  command: Command | undefined,
  operands: readonly string[],
) => string | undefined;

/** An image that is in a layout or an archive, not in the store. */
const LOCAL = /^(?:oci|oci-archive|docker-archive):/;

const toAuthor = ({ cause }: LibraryError) => {
  // Any other cause is an error of the operating system.
  return cause === undefined || cause instanceof OciError
    ? "Report it to the author of the image"
    : undefined;
};

/** Remedies by code, where the library's advice, which names no option, is not enough. */
const REMEDIES: Readonly<Partial<Record<ErrorCode, string | Remedy>>> = {
  "digest-mismatch": (error, command, operands) => {
    if (error.option === "target") return "Leave out the digest of the destination";
    const isFile = error instanceof DigestMismatchError && error.source !== undefined &&
      error.url === undefined;
    if (!isFile) return "They were not stored; try again or use another mirror";
    return command?.has("--policy") && !operands.some((operand) => LOCAL.test(operand))
      ? "Fetch it again with --policy if-not-present"
      : "Save or copy it again";
  },
  "diff-id-mismatch": "Report it to the author of the image",
  "invalid-document": ({ advice }) => advice ?? "Report it to the author of the image",
  "artifact": 'Get its files with "oci artifact pull", or its manifest with "oci inspect --raw"',
  "layer-type": 'Copy the image with "oci copy"; only tar archives can be unpacked',
  "unsigned": ({ option }) => {
    return option === "pullPolicy"
      ? 'Choose another --policy, or store it with "oci copy --store DIR --with-referrers"'
      : "Ask its owner to sign it with cosign";
  },
  "signature": "Check the signer of --verify; if it is right, do not use the image",
  "limit": (error, command) => {
    return error.option === undefined ? undefined : limitRemedy(error, command);
  },
  "platform": (error) => {
    const isEmpty = error instanceof PlatformError && error.available.length === 0;
    return isEmpty ? 'Show what it has with "oci inspect --raw"' : "Choose one with --platform";
  },
  "unknown-user": "Choose another user with --user, by name or number",
  "no-command": (_, command) => {
    return command?.has("--arg")
      ? "Specify the command with --arg"
      : "Write the command after the image";
  },
  "artifact-file": ({ advice }) => advice ?? "Report it to the author of the artifact",
  "tar": toAuthor,
  "compression": toAuthor,
  "extract": (error, command) => {
    const isStrict = error.option === "xattrs" && command?.has("--xattrs");
    return isStrict ? "Choose --xattrs on" : toAuthor(error);
  },
  "path-escape": toAuthor,
  "ownership": ownershipRemedy,
  "missing-path": 'List the files of the image with "oci ls"',
  "invalid-reference": (error) => error.advice ?? NAME_ADVICE,
  "invalid-argument": ({ option, subject, advice }, command) => {
    if (option === "directory" && !command?.arguments.some(({ name }) => name === "dir")) {
      return `Choose another --store, such as /var/lib/oci, or run 'chmod o+x "${subject}"'`;
    }
    if (option === "mirrors") return `Log in with "oci login ${subject}"`;
    if (option === "seccomp") return "Choose an image for this machine with --platform";
    if (option === "uidMap" || option === "gidMap") {
      const flag = option === "uidMap" ? "--uid-map" : "--gid-map";
      if (subject === undefined) return `Check the ranges of ${flag}`;
      const ids = Deno.uid() === 0 && command?.has(flag) ? `map it with ${flag}` : idsAdvice();
      return `Choose another user with --user, or ${ids}`;
    }
    const isContainer = command?.find("--user")?.key === "containerUser";
    return option === "user" && isContainer ? "Choose another user with --user" : advice;
  },
  "response": (error) => {
    if (error.option === "allowPrivateAddresses") {
      return "If you trust the registry, add --allow-private-addresses";
    }
    const isRetryable = error instanceof RegistryError && error.retryable;
    return error.advice ?? (isRetryable ? "Try again later" : "Show each request with --debug");
  },
  "unauthorized": (error, command) => {
    if (command?.traits.has("lists-repositories")) return catalogRemedy(error);
    const login = `"oci login${registryOf(error)}"`;
    if (isAuthenticated(error)) return `Ask its owner for access, or log in again with ${login}`;
    return error.option === "auth"
      ? `Check the password or token, or log in again with ${login}`
      : `Log in with ${login}`;
  },
  "login-rejected": "Check the user name and the password or token",
  "not-found": (error, command) => {
    const { missing, registryCode } = error instanceof NotFoundError ? error : {};
    const isUnknown = missing === undefined && registryCode === "NAME_UNKNOWN";
    if (isUnknown && command?.traits.has("writes-repository")) {
      return "Create the repository first, or check its name";
    }
    const isPart = missing === "child" || missing === "config" || missing === "blob";
    if (command?.traits.has("lists-repositories")) return catalogRemedy(error);
    if (isPart) return "Ask the owner of the image to push it again";
    // "crane ls" lists tags.
    if (missing === "tag" && command?.traits.has("lists-files")) {
      return 'Check the name, or list the tags with "oci tags"';
    }
    const check = missing === "repository" ? "Check the name" : "Check the name and the tag";
    return isAuthenticated(error)
      ? `${check}, and whether this user has access`
      : `${check}; if the repository is private, log in with "oci login${registryOf(error)}"`;
  },
  "rate-limit": (error) => {
    const ms = error instanceof RateLimitError ? error.retryAfterMs : undefined;
    const when = ms === undefined ? "later" : `in ${Math.ceil(ms / 1000)} s`;
    return isAuthenticated(error)
      ? `Try again ${when}`
      : `Try again ${when}, or log in for a higher limit with "oci login${registryOf(error)}"`;
  },
  "tag-deletion": 'To delete the manifest with all of its tags, use "oci delete NAME@DIGEST"',
  "network": networkRemedy,
  "credential-file": "Fix the file, or use another file with --authfile",
  "credential-place": "Set one of them, or choose a file with --authfile",
  "credential-helper": "Fix the helper, or choose another credential file with --authfile",
  "not-cached": (error) => {
    const isPartial = error instanceof NotCachedError && error.digest !== undefined;
    return isPartial
      ? "Pull the rest with --policy if-not-present"
      : "Pull it with --policy if-not-present";
  },
  "not-in-store": ({ subject = "" }) => {
    return /\.(tar|tgz)$/.test(subject)
      ? `For an archive, write "oci-archive:${subject}" or "docker-archive:${subject}"`
      : 'Pull it first with "oci pull"';
  },
  "partly-in-store": ({ option }) => {
    return option === "platforms"
      ? 'Pull it first with "oci pull --platform"'
      : 'Pull the others first with "oci pull --all-platforms"';
  },
  "missing-content": ({ option, advice }) => {
    return option === "foreignLayers"
      ? 'Copy the image into it again with "oci copy --copy-foreign"'
      : advice;
  },
  "store-place": (error) => {
    const isRefused = error.cause instanceof Deno.errors.NotCapable;
    return isRefused && error instanceof StoreDirectoryError
      ? `Specify it with --store, or grant --allow-env=${error.variables.join(",")}`
      : "Specify it with --store or $OCI_STORE";
  },
  "not-a-store": "Choose an empty or new directory with --store",
  "untrusted-store": (error) => {
    return error instanceof UntrustedStoreError ? DIRECTORY_REMEDIES[error.fault] : undefined;
  },
  "store-damaged": 'Repair the store with "oci fsck --repair"',
  "no-locks": "Choose a store on a local disk with --store",
  "archive": (error, command) => {
    if (error.cause instanceof LimitError && error.cause.option !== undefined) {
      return limitRemedy(error.cause, command);
    }
    if (!(error instanceof ArchiveError)) return undefined;
    // Most commands take a location, such as oci-archive:FILE:NAME.
    const isFile = command?.arguments[0]?.name === "file";
    return isFile && error.fault === "absent" ? "Check the path" : ARCHIVE_REMEDIES[error.fault];
  },
  "archive-format": ({ option }) => {
    return option === "images"
      ? "Save fewer images, or use --format oci-dir"
      : "Save it with --format oci-archive";
  },
  "not-empty": (error, command) => {
    return command?.has("--force")
      ? "Choose another directory, or add to its content with --force"
      : error.advice;
  },
  "bundle-unknown": "Check the path, or specify its store with --store",
  "overlay": ({ option }, command) => {
    if (option === "slowChown") return "Choose --slow-chown or --bundler uncompressed";
    return command?.has("--unpack") ? "Leave out --unpack" : "Choose --bundler uncompressed";
  },
  "working-directory": "Choose another directory with --cwd",
  "container-start": ({ option, advice }) => {
    if (option === "memory") return "Allow more memory with --memory";
    if (option === "readOnly") return "Mount a directory there with --mount, or use --read-write";
    return option === "runtime" ? HYBRID_REMEDY : advice;
  },
};

/** Remedy on machines with both versions of control groups, which crun does not support. */
const HYBRID_REMEDY =
  'Choose --runtime runc, or run inside of "unshare -m" after "umount /sys/fs/cgroup/unified"';

const DIRECTORY_REMEDIES: Readonly<Record<DirectoryFault, string>> = {
  "symlink": "Choose the directory that it leads to with --store",
  "dangling": "Create its target, or choose another directory with --store",
  "not-directory": "Choose another path with --store",
  "owner": "Choose a directory that belongs to you with --store",
  "writable": 'Run "chmod -R go-w" on it, or choose another directory with --store',
};

const ARCHIVE_REMEDIES: Readonly<Record<ArchiveFault, string>> = {
  format: 'Choose a file that "docker save", "podman save", skopeo or "oci save" wrote',
  compression: 'Decompress it first; "-" reads it from stdin',
  damaged: "Save or copy it again",
  hostile: "Do not extract it with other tools, and report it to its author",
  incomplete: "Save or copy it again",
  absent: "Check the path and the name after it",
  ambiguous: "Write one of the names after the file and a colon",
};

const CERTIFICATE_REMEDIES: Readonly<Record<CertificateFault, string>> = {
  "untrusted": "Trust its CA with --ca, or the CAs of the system with DENO_TLS_CA_STORE=system",
  "other-authority": "Give --ca the certificate of its signer, not the one of the server",
  "own-authority": "Trust it with --ca",
  "expired": "Ask its operator to renew it",
  "not-yet-valid": "Check the clock of this machine",
  "wrong-name": "Use a name that the certificate contains",
  "version": "Ask its operator for one of version 3",
  "client": "If it requires a client certificate, specify one with --client-cert and --client-key",
};

function networkRemedy(error: LibraryError): string | undefined {
  if (!(error instanceof NetworkError)) return error.advice;
  const { reason, certificate, url, advice } = error;
  if (certificate !== undefined) return CERTIFICATE_REMEDIES[certificate];
  if (reason === "stalled" || reason === "cut") return advice ?? "Try again to resume";
  if (reason !== "protocol" || advice !== undefined) return advice;
  return URL.parse(url)?.protocol === "https:"
    ? "If it is meant to be plain HTTP, use --plain-http"
    : "Leave out --plain-http";
}

function ownershipRemedy(
  error: LibraryError,
  command: Command | undefined,
): string | undefined {
  if (error.option === "uids") return "Add one with --uid-map";
  if (error.option === "gids") return "Add one with --gid-map";
  const modes = error instanceof OwnershipError ? error.modes : [];
  if (modes.length === 0) return error.advice;
  if (!command?.has("--ownership")) {
    return modes.includes("record")
      ? "Run as root, or in a user namespace with these IDs"
      : toAuthor(error);
  }
  return modes.includes("record")
    ? "Choose --ownership squash or record, or run as root"
    : "Choose --ownership squash";
}

function catalogRemedy(error: LibraryError): string {
  const login = isAuthenticated(error)
    ? "ask its owner for access"
    : `log in with "oci login${registryOf(error)}"`;
  return `Many registries do not list their repositories; if this one does, ${login}`;
}

function isAuthenticated(error: LibraryError): boolean {
  return error instanceof RegistryError && error.isAuthenticated;
}

/** The registry that denied access, as the argument of `oci login`. */
function registryOf(error: LibraryError): string {
  const registry = error instanceof RegistryError ? error.registry : undefined;
  return registry === undefined ? "" : ` ${registry}`;
}
