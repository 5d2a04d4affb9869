import { assert, assertEquals } from "@std/assert";
import { StoreDirectoryError } from "../../../cache/directory.ts";
import { NotCachedError } from "../../../cache/errors.ts";
import { COMMANDS } from "../../../cli/commands.ts";
import { CommandError, UsageError } from "../../../cli/frame/errors.ts";
import { causeLines, errorDocument, errorLine, exitCodeOf } from "../../../cli/frame/failure.ts";
import { InterruptedError } from "../../../cli/frame/interruption.ts";
import { declareCommand } from "../../../cli/frame/program.ts";
import {
  DecompressError,
  ExtractError,
  OwnershipError,
  PathEscapeError,
  TarError,
} from "../../../layer/mod.ts";
import {
  ArtifactError,
  AuthError,
  BlockedRegistryError,
  CredentialFileError,
  LoginError,
  NetworkError,
  NotFoundError,
  parseReference,
  RateLimitError,
  RegistriesConfError,
  RegistryError,
} from "../../../registry/mod.ts";
import { explainedError } from "../../../spec/error_facts.ts";
import {
  DiffIdMismatchError,
  DigestMismatchError,
  type ErrorCode,
  LimitError,
  OciError,
  parsePlatform,
  PlatformError,
  UnknownUserError,
  UnsupportedDigestError,
} from "../../../spec/mod.ts";
import {
  ArchiveError,
  ArtifactFileError,
  BundleError,
  DiskFullError,
  LockUnsupportedError,
  RuntimeError,
  SignatureError,
  StoreError,
  StoreFileError,
  UnpackError,
  UntrustedStoreError,
} from "../../../store/mod.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as const;
/** The declarations of all commands. */
const DECLARED = new Map(
  await Promise.all([...COMMANDS].map(async ([name, { load }]) => {
    return [name, declareCommand(name, await load(), COMMANDS)] as const;
  })),
);
const PULL = { action: "pull a.io/b:1", command: DECLARED.get("pull") };
const TASK = { action: 'pull "a.io/b:1"', subject: "a.io/b:1" };
const ANSWER = { ...TASK, registry: "a.io", status: 418, url: "https://a.io/v2/" };
const PLACE = { path: "etc/hosts", offset: 512 };
const REPORT = "Report it to the author of the image";

interface Row {
  readonly error: OciError | (Error & { readonly code: ErrorCode });
  /** Cause and remedy of the rendered line. */
  readonly line: string;
  /** Command, where the remedy depends on it. */
  readonly command?: string | undefined;
}

/** An error with a code of several classes. */
function facts(code: ErrorCode, advice?: string): OciError {
  return new OciError("it is so", { code, action: "do x", subject: "x", advice });
}

/** The row of such an error, whose remedy may be the advice of the library. */
function explained(
  code: ErrorCode,
  remedy: string,
  { isAdvice = false, command }: { readonly isAdvice?: boolean; readonly command?: string } = {},
): Row {
  const error = facts(code, isAdvice ? remedy : undefined);
  return { error, line: `cannot do x: it is so. ${remedy}`, command };
}

/** Each code, and the output of the command line for it. */
const ROWS: readonly Row[] = [
  {
    error: new DigestMismatchError({ expected: DIGEST, expectedSize: 5, size: 6, source: "a" }),
    line: `cannot accept the bytes from a as ${DIGEST}: received more than 5 bytes. ` +
      "Fetch it again with --policy if-not-present",
  },
  {
    error: new DigestMismatchError({ expected: DIGEST, expectedSize: 5, size: 6, source: "a" }),
    line: `cannot accept the bytes from a as ${DIGEST}: received more than 5 bytes. ` +
      "Save or copy it again",
    command: "copy",
  },
  {
    error: new DigestMismatchError({ expected: DIGEST, actual: DIGEST, size: 6, option: "target" }),
    line: `cannot accept the bytes as ${DIGEST}: their digest is ${DIGEST}. ` +
      "Leave out the digest of the destination",
    command: "copy",
  },
  {
    error: new DigestMismatchError({
      expected: DIGEST,
      actual: DIGEST,
      size: 6,
      source: "https://a.io/b",
    }),
    line: `cannot accept the bytes from https://a.io/b as ${DIGEST}: their digest is ${DIGEST}. ` +
      "Nothing was stored; try again or use another mirror",
  },
  {
    error: new UnsupportedDigestError("blake3:00"),
    line: 'cannot verify blake3:00: the digest algorithm "blake3" is not supported. ' +
      "Use content with a sha256 or sha512 digest",
  },
  {
    error: new DiffIdMismatchError(DIGEST, DIGEST, DIGEST),
    line: `cannot accept layer ${DIGEST}: the config of the image says that it unpacks to ` +
      `${DIGEST}, but it unpacks to ${DIGEST}. ${REPORT}`,
  },
  {
    error: explainedError(SyntaxError, {
      code: "invalid-document",
      action: "read manifest",
      problem: "it must be JSON in UTF-8",
    }),
    line: `cannot read manifest: it must be JSON in UTF-8. ${REPORT}`,
  },
  explained("invalid-document", "Push it again with a current version", { isAdvice: true }),
  {
    error: new ArtifactError("a.io/b:1", "text/x"),
    line: 'cannot read "a.io/b:1" as an image: it is an artifact of type "text/x". ' +
      'Get its files with "oci artifact pull", or its manifest with "oci inspect --raw"',
  },
  {
    error: new SignatureError("a.io/b:1", 0, []),
    line: 'cannot verify "a.io/b:1": it has no signature. Ask its owner to sign it with cosign',
  },
  {
    error: new SignatureError("a.io/b:1", 0, [], true),
    line: 'cannot verify "a.io/b:1": the store has no signature of it. ' +
      'Choose another --policy, or store it with "oci copy --store DIR --with-referrers"',
  },
  {
    error: new SignatureError("a.io/b:1", 0, ["it is so"]),
    line: 'cannot verify "a.io/b:1": its signatures cannot be read: it is so. ' +
      "Check the signer of --verify; if it is right, do not use the image",
  },
  {
    error: new SignatureError("a.io/b:1", 4, ["1", "2", "3", "4"]),
    line: 'cannot verify "a.io/b:1": none of its 4 signatures is valid: 1; 2; 3; …. ' +
      "Check the signer of --verify; if it is right, do not use the image",
  },
  explained("layer-type", 'Copy the image with "oci copy"; only tar archives can be unpacked'),
  explained("not-distributable", "Report it if this should work"),
  {
    error: new LimitError("layers", 256, 257, "an image", "maxLayers"),
    line: "cannot accept more than 256 layers of an image: there are at least 257. " +
      "It may be an attack; if it is not, raise the limit in a program of your own",
  },
  {
    error: new LimitError("bytes", 10, 11, "a page"),
    line: "cannot accept more than 10 bytes of a page: there are at least 11. " +
      "Report it if this should work",
  },
  {
    error: new PlatformError("a", parsePlatform("linux/s390x"), [parsePlatform("linux/amd64")]),
    line: 'cannot find linux/s390x in "a": it has linux/amd64. Choose one with --platform',
  },
  {
    error: new PlatformError("a", parsePlatform("linux/s390x"), []),
    line: 'cannot find linux/s390x in "a": it has none that can run. ' +
      'Show what it has with "oci inspect --raw"',
  },
  {
    error: new UnknownUserError("user", "ann", "a"),
    line: 'cannot find user "ann" in a: it is not in /etc/passwd. ' +
      "Choose another user with --user, by name or number",
  },
  explained("no-command", "Write the command after the image", { command: "run" }),
  explained("no-command", "Specify the command with --arg", { command: "bundle" }),
  {
    error: new TarError("it is damaged", { offset: 512 }),
    line: `cannot read tar archive at byte 512: it is damaged. ${REPORT}`,
  },
  {
    error: new DecompressError("gzip", 7, "it is truncated"),
    line: `cannot decompress gzip after byte 7: it is truncated. ${REPORT}`,
  },
  {
    error: new ExtractError(PLACE, "its parent is a file"),
    line: 'cannot extract "etc/hosts" at byte 512 of the layer: its parent is a file. ' + REPORT,
  },
  {
    error: new ExtractError(PLACE, "the disk is full", {
      cause: Object.assign(new Error("x"), { code: "ENOSPC" }),
    }),
    line: 'cannot extract "etc/hosts" at byte 512 of the layer: the disk is full. ' +
      'Free some space; if enough is free, free inodes, which "df -i" shows',
  },
  {
    error: new ExtractError({ path: "", offset: 1024 }, "it is not a tar archive", {
      cause: new TarError("it is not a tar archive", { offset: 1024 }),
    }),
    line: `cannot extract byte 1024 of the layer: it is not a tar archive. ${REPORT}`,
  },
  {
    error: new PathEscapeError(PLACE, "it climbs"),
    line: `cannot extract "etc/hosts" at byte 512 of the layer: it climbs. ${REPORT}`,
  },
  ...([
    [{ option: "uids" }, "unpack", "Add one with --uid-map"],
    [{ option: "gids" }, "unpack", "Add one with --gid-map"],
    [{}, "unpack", "Choose --ownership squash or record, or run as root"],
    [{ modes: ["squash"] }, "unpack", "Choose --ownership squash"],
    [{}, "bundle", "Run as root, or in a user namespace with these IDs"],
    [{ modes: ["squash"] }, "run", REPORT],
  ] as const).map(([options, command, remedy]) => ({
    error: new OwnershipError(PLACE, { uid: 7, gid: 0 }, "no range", options),
    command,
    line: `cannot extract "etc/hosts" at byte 512 of the layer: no range. ${remedy}`,
  })),
  {
    error: new UnpackError("the image does not contain it", "x", {
      code: "missing-path",
      action: 'unpack "x"',
    }),
    line: 'cannot unpack "x": the image does not contain it. ' +
      'List the files of the image with "oci ls"',
  },
  {
    error: explainedError(SyntaxError, {
      code: "invalid-reference",
      action: 'parse reference ""',
      problem: "it is empty",
    }),
    line: 'cannot parse reference "": it is empty. ' +
      'Write a name such as "alpine:3.20" or "ghcr.io/owner/app@sha256:…"',
  },
  explained("invalid-text", "Choose a PEM file", { isAdvice: true }),
  {
    error: new OciError("no such ID", { code: "invalid-argument", option: "user" }),
    command: "run",
    line: "no such ID. Choose another user with --user",
  },
  {
    error: new OciError("it contains a password", {
      code: "invalid-argument",
      option: "mirrors",
      subject: "m.io",
    }),
    line: 'it contains a password. Log in with "oci login m.io"',
  },
  {
    error: new OciError("there is no profile", { code: "invalid-argument", option: "seccomp" }),
    line: "there is no profile. Choose an image for this machine with --platform",
  },
  {
    error: new RegistryError("a.io answered 418", ANSWER),
    line: "a.io answered 418. Show each request with --debug",
  },
  {
    error: new RegistryError("a.io answered 503", { ...ANSWER, status: 503, retryable: true }),
    line: "a.io answered 503. Try again later",
  },
  {
    error: new AuthError("a.io answered 401", ANSWER),
    line: 'a.io answered 401. Log in with "oci login a.io"',
  },
  {
    error: new AuthError("a.io answered 403", { ...ANSWER, isAuthenticated: true }),
    line: 'a.io answered 403. Ask its owner for access, or log in again with "oci login a.io"',
  },
  {
    error: new LoginError("a.io answered 401", ANSWER),
    line: "a.io answered 401. Check the user name and the password or token",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "tag" }),
    line: "a.io does not have it. Check the name and the tag; if the repository is private, " +
      'log in with "oci login a.io"',
  },
  {
    error: new NotFoundError("a.io does not have it", {
      ...ANSWER,
      missing: "tag",
      isAuthenticated: true,
    }),
    line: "a.io does not have it. Check the name and the tag, and whether this user has access",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, registryCode: "NAME_UNKNOWN" }),
    command: "push",
    line: "a.io does not have it. Create the repository first, or check its name",
  },
  {
    error: new NotFoundError("a.io does not have it", ANSWER),
    command: "catalog",
    line: "a.io does not have it. Many registries do not list their repositories; if this one " +
      'does, log in with "oci login a.io"',
  },
  {
    error: new AuthError("a.io answered 403", { ...ANSWER, isAuthenticated: true }),
    command: "catalog",
    line: "a.io answered 403. Many registries do not list their repositories; if this one does, " +
      "ask its owner for access",
  },
  {
    error: new NotFoundError("a.io does not have it", { ...ANSWER, missing: "blob" }),
    line: "a.io does not have it. Ask the owner of the image to push it again",
  },
  {
    error: new RateLimitError("a.io answered 429", { ...ANSWER, retryAfterMs: 1500 }),
    line: "a.io answered 429. Try again in 2 s, or log in for a higher limit with " +
      '"oci login a.io"',
  },
  {
    error: new RateLimitError("a.io answered 429", { ...ANSWER, isAuthenticated: true }),
    line: "a.io answered 429. Try again later",
  },
  {
    error: new RegistryError("it cannot delete tags", { ...ANSWER, code: "tag-deletion" }),
    line: "it cannot delete tags. " +
      'To delete the manifest with all of its tags, use "oci delete NAME@DIGEST"',
  },
  {
    error: new NetworkError("connection refused", {
      ...TASK,
      url: "https://a.io",
      reason: "refused",
      advice: "Check the host and the port",
    }),
    line: "connection refused. Check the host and the port",
  },
  {
    error: new NetworkError("it is cut", { ...TASK, url: "https://a.io", reason: "cut" }),
    line: "it is cut. Try again to resume",
  },
  {
    error: new NetworkError("no TLS", { ...TASK, url: "https://a.io", reason: "protocol" }),
    line: "no TLS. If it is meant to be plain HTTP, use --plain-http",
  },
  {
    error: new NetworkError("no HTTP", { ...TASK, url: "http://a.io", reason: "protocol" }),
    line: "no HTTP. Leave out --plain-http",
  },
  {
    error: new NetworkError("no trust", {
      ...TASK,
      url: "https://a.io",
      reason: "certificate",
      certificate: "own-authority",
    }),
    line: "no trust. Trust it with --ca",
  },
  {
    error: new CredentialFileError("/auth.json", "it is not JSON"),
    line: 'cannot change the credential file "/auth.json": it is not JSON. ' +
      "Fix the file, or use another file with --authfile",
  },
  explained("credential-place", "Set one of them, or choose a file with --authfile"),
  {
    error: new RegistriesConfError("/r.conf", 3, '"a" is defined twice'),
    line: 'cannot use "/r.conf": line 3: "a" is defined twice. ' +
      "Correct the file; containers-registries.conf(5) describes its format",
  },
  {
    error: new BlockedRegistryError("a.io/b:1", "a.io", "/r.conf"),
    line: 'cannot access "a.io/b:1": /r.conf blocks a.io. ' +
      "Use another registry, or ask the maintainer of the file",
  },
  explained(
    "credential-helper",
    "Fix the helper, or choose another credential file with --authfile",
  ),
  {
    error: new NotCachedError(parseReference("a.io/b:1")),
    line: "it is not in the store. Pull it with --policy if-not-present",
  },
  {
    error: new NotCachedError(parseReference("a.io/b:1"), DIGEST),
    line: `parts of ${DIGEST} are missing from the store. ` +
      "Pull the rest with --policy if-not-present",
  },
  { error: facts("not-in-store"), line: 'it is so. Pull it first with "oci pull"' },
  explained("partly-in-store", 'Pull the others first with "oci pull --all-platforms"'),
  explained("missing-content", "Pull the image again", { isAdvice: true }),
  explained("no-image", "Check the path and the name after it", { isAdvice: true }),
  {
    error: new StoreDirectoryError(["HOME"], "HOME is not set"),
    line: "cannot find the directory of the store: HOME is not set. " +
      "Specify it with --store or $OCI_STORE",
  },
  {
    error: new StoreDirectoryError(["OCI_STORE", "HOME"], "HOME may not be read", {
      cause: new Deno.errors.NotCapable("x"),
    }),
    line: "cannot find the directory of the store: HOME may not be read. " +
      "Specify it with --store, or grant --allow-env=OCI_STORE,HOME",
  },
  explained("not-a-store", "Choose an empty or new directory with --store"),
  {
    error: new UntrustedStoreError("writable", "/s", { mode: 0o777 }),
    line: 'cannot use the store directory "/s": other users can write to it (mode 777). ' +
      'Run "chmod -R go-w" on it, or choose another directory with --store',
  },
  {
    error: new UntrustedStoreError("owner", "/s", { owner: 7 }),
    line: 'cannot use the store directory "/s": it belongs to user 7. ' +
      "Choose a directory that belongs to you with --store",
  },
  {
    error: new StoreFileError("symlink", "/s/a", "read", "Remove it"),
    line: 'cannot read "/s/a": it is a symlink. Remove it',
  },
  explained("store-damaged", 'Repair the store with "oci fsck --repair"'),
  explained("store-read-only", "Report it if this should work"),
  {
    error: new LockUnsupportedError("/s/lock", "nfs"),
    line: 'cannot lock "/s/lock": its file system (nfs) does not support locks. ' +
      "Choose a store on a local disk with --store",
  },
  {
    error: new DiskFullError(DIGEST, "/s/part", 5),
    line: `cannot store ${DIGEST} in "/s/part": the disk is full after 5 bytes. ` +
      "Free some space and try again; the downloaded part is kept",
  },
  {
    error: new ArchiveError("a.tar", "damaged", "it is truncated"),
    line: 'cannot read the archive "a.tar": it is truncated. Save or copy it again',
  },
  {
    error: new ArchiveError("a.tar", "ambiguous", "it has two"),
    line: 'cannot read the archive "a.tar": it has two. ' +
      "Write one of the names after the file and a colon",
  },
  explained("archive-format", "Save it with --format oci-archive"),
  explained("output", "Choose a file in it", { isAdvice: true }),
  {
    error: new ArtifactFileError("d", "it is a directory", { advice: "Pack it into an archive" }),
    line: 'cannot use the file "d" of an artifact: it is a directory. Pack it into an archive',
  },
  {
    error: new UnpackError("it is not empty", "/d", {
      code: "not-empty",
      action: 'unpack into "d"',
    }),
    command: "unpack",
    line: 'cannot unpack into "d": it is not empty. ' +
      "Choose another directory, or replace its content with --force",
  },
  explained("not-empty", "Choose an empty directory", { isAdvice: true, command: "bundle" }),
  ...([
    "not-a-directory",
    "busy",
    "leftover",
    "foreign-file",
    "bundle-exists",
    "bundle-moved",
    "bundle-running",
    "mounted",
    "unmount",
    "runtime-missing",
    "runtime-failed",
  ] as const).map((code) => {
    return explained(code, "Do y", { isAdvice: true });
  }),
  {
    error: new BundleError("it is unknown", "/b", { code: "bundle-unknown", action: "remove it" }),
    line: "cannot remove it: it is unknown. Check the path, or specify its store with --store",
  },
  explained("overlay", "Choose --bundler uncompressed", { command: "bundle" }),
  explained("overlay", "Leave out --unpack"),
  explained("working-directory", "Choose another directory with --cwd"),
  {
    error: new RuntimeError("crun says: no", "crun", [], {
      code: "container-start",
      action: "start the container",
      advice: "Check the command",
    }),
    line: "cannot start the container: crun says: no. Check the command",
  },
  {
    error: new RuntimeError("crun says: no", "crun", [], {
      code: "container-start",
      option: "memory",
      advice: "Allow more",
    }),
    line: "crun says: no. Allow more memory with --memory",
  },
  {
    error: new StoreError("it is so", "/s", { cause: new Error("x") }),
    line: "it is so. Show the cause with --verbose",
  },
];

for (const { error, line, command = "pull" } of ROWS) {
  const { code } = error;
  Deno.test(`errorLine() and errorDocument() explain ${code}: ${line}`, () => {
    const failed = { action: PULL.action, command: DECLARED.get(command) };
    const remedy = line.slice(line.lastIndexOf(". ") + 2);

    assertEquals(errorLine(error, failed), `oci: pull a.io/b:1: ${line}`);
    const document = JSON.parse(JSON.stringify(errorDocument(error, failed))).error;
    const { name, message } = error;
    assertEquals([document.name, document.code, document.message], [name, code, message]);
    assert(String(document.remedy).endsWith(remedy), document.remedy);
  });

  Deno.test(`a reworded ${code} keeps exit code, remedy and JSON: ${line}`, () => {
    const failed = { action: PULL.action, command: DECLARED.get(command) };
    const known = errorDocument(error, failed).error as Record<string, unknown>;
    const exitCode = exitCodeOf(error);
    const nonsense = 'Requires "x; y"; try --nope, run again with the --allow-all flag: Cannot';
    const rewording = { message: nonsense, problem: nonsense, action: nonsense };
    const reworded = Object.assign(Object.create(error) as typeof error, error, rewording);

    const found = errorDocument(reworded, failed).error as Record<string, unknown>;

    assertEquals(exitCodeOf(reworded), exitCode);
    assertEquals(
      { ...found, message: "", problem: "", action: "" },
      { ...known, message: "", problem: "", action: "" },
    );
    const spoken = errorLine(reworded, failed);
    assert(spoken.endsWith(`. ${known.remedy}`), spoken);
  });
}

Deno.test("every code of the library is in the table of this test", async () => {
  const source = await Deno.readTextFile(new URL("../../../spec/error_facts.ts", import.meta.url));
  const union = source.slice(source.indexOf("export type ErrorCode"), source.indexOf(";\n\n"));
  const codes = [...union.matchAll(/\| "([a-z-]+)"/g)].map(([, code = ""]) => code);
  const tested = new Set<string>(ROWS.map(({ error }) => error.code));

  assert(codes.length > 50);
  assertEquals(codes.filter((code) => !tested.has(code)), []);
});

Deno.test.each([
  {
    name: "the remedy of a command",
    error: new CommandError('cannot remove "a; b": not found', 'See "oci images"'),
    line: 'cannot remove "a; b": not found. See "oci images"',
    code: "command",
    exitCode: 1,
  },
  {
    name: "where to read about options",
    error: new UsageError('cannot use "a; b"'),
    line: 'cannot use "a; b". See --help',
    code: "usage",
    exitCode: 2,
  },
  {
    name: "the signal",
    error: new InterruptedError("SIGTERM", 143),
    line: "interrupted by SIGTERM. Run the same command again to resume",
    code: "interrupted",
    exitCode: 143,
  },
  {
    name: "how to learn about permissions",
    error: new Deno.errors.NotCapable(
      'Requires net access to "a.io", run again with the --allow-net flag',
    ),
    line: 'Requires net access to "a.io". ' +
      'Grant --allow-net=a.io, or all that it needs: "oci permissions pull a.io/b:1" prints it',
    code: "permission",
    exitCode: 1,
  },
  {
    name: "what to do about a read-only disk",
    error: Object.assign(new Error("Read-only file system"), { code: "EROFS" }),
    line: "Read-only file system. Choose a writable place; for the store, use --store",
    code: "system",
    exitCode: 1,
  },
  {
    name: "what to do about too many open files",
    error: Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" }),
    line: "Too many open files (os error 24). " +
      'Raise the limit of open files with "ulimit -n 1024"',
    code: "system",
    exitCode: 1,
  },
  {
    name: "what the system refuses to do",
    error: Object.assign(
      new Deno.errors.PermissionDenied("Permission denied (os error 13): mkdir '/a'"),
      { code: "EACCES" },
    ),
    line: 'cannot create "/a": permission denied. ' +
      "Check its owner and mode, and those of its directory",
    code: "system",
    exitCode: 1,
  },
  {
    name: "what to do about a missing file",
    error: new Deno.errors.NotFound('Cannot read "/a": there is no such file'),
    line: 'Cannot read "/a": there is no such file. Check that the path exists',
    code: "system",
    exitCode: 1,
  },
  {
    name: "a message with several lines in one",
    error: new Error("first\nsecond\x1b[2J"),
    line: "first\\u{a}second\\u{1b}[2J. Report it if this should work",
    code: "unexpected",
    exitCode: 1,
  },
  {
    name: "a thrown value that is not an error",
    error: "text",
    line: "text. Report it if this should work",
    code: "unexpected",
    exitCode: 1,
  },
  {
    name: "the exit code of a runtime",
    error: new RuntimeError("it is absent", "crun", [], { exitCode: 127 }),
    line: "it is absent. Report it if this should work",
    code: "other",
    exitCode: 127,
  },
])("errorLine() says $name", ({ error, line, code, exitCode }) => {
  assertEquals(errorLine(error, PULL), `oci: pull a.io/b:1: ${line}`);
  assertEquals((errorDocument(error, PULL).error as { code: string }).code, code);
  assertEquals(exitCodeOf(error), exitCode);
});

Deno.test("errorLine() offers to resume only a command that transfers layers", () => {
  const error = new InterruptedError("SIGINT", 130);
  const resumed = [...DECLARED].filter(([name, command]) => {
    return errorLine(error, { action: name, command }).endsWith(" to resume");
  }).map(([name]) => name).sort();

  assertEquals(resumed, [
    ...["artifact", "bundle", "cat", "copy", "export", "load", "ls", "pull", "push", "run", "save"],
    "unpack",
  ]);
});

Deno.test("errorLine() explains an error before the command is known", () => {
  const line = errorLine(facts("no-command"), { action: "read x", command: undefined });

  assertEquals(line, "oci: read x: cannot do x: it is so. Write the command after the image");
});

Deno.test("errorLine() sends a login to another file if the home directory is read-only", () => {
  const error = Object.assign(new Error("Read-only file system"), { code: "EROFS" });

  assertEquals(
    errorLine(error, { action: "login a.io", command: DECLARED.get("login") }),
    "oci: login a.io: Read-only file system. Choose a writable file with --authfile",
  );
});

Deno.test("errorLine() names the subject of a request unless it is the operand", () => {
  const fields = { status: 418, url: "", subject: "c.io/d:1", action: 'pull "c.io/d:1"' };
  const whole = new RegistryError("c.io answered 418", fields);
  const part = new RegistryError("c.io answered 418", {
    ...fields,
    action: `pull the blob ${DIGEST} of "c.io/d"`,
    subject: DIGEST,
  });

  const rest = "c.io answered 418. Show each request with --debug";
  assertEquals(errorLine(whole, PULL), `oci: pull a.io/b:1: "c.io/d:1": ${rest}`);
  assertEquals(
    errorLine(whole, { action: "cat c.io/d:1 etc/hosts", command: DECLARED.get("cat") }),
    `oci: cat c.io/d:1 etc/hosts: ${rest}`,
  );
  assertEquals(
    errorLine(part, PULL),
    `oci: pull a.io/b:1: cannot pull the blob ${DIGEST} of "c.io/d": ${rest}`,
  );
});

Deno.test("errorDocument() has the fields of the library's errors, and the remedy", () => {
  const error = new PlatformError("a", parsePlatform("linux/s390x"), []);

  assertEquals(errorDocument(error, PULL), {
    error: {
      name: "PlatformError",
      code: "platform",
      message: error.message,
      action: 'find linux/s390x in "a"',
      subject: "a",
      problem: "it has none that can run",
      advice: 'Choose one with "platform"',
      option: "platform",
      wanted: { os: "linux", architecture: "s390x" },
      available: [],
      remedy: 'Show what it has with "oci inspect --raw"',
    },
  });
});

Deno.test("errorDocument() has the code of the system in other errors", () => {
  const error = Object.assign(new Deno.errors.NotFound("x"), { code: "ENOENT" });
  const { name } = error;

  assertEquals(errorDocument(error, PULL), {
    error: {
      name,
      code: "system",
      message: "x",
      problem: "x",
      errno: "ENOENT",
      remedy: "Check that the path exists",
    },
  });
});

Deno.test("causeLines() follows causes and the errors of an aggregate, each once", () => {
  const root = new TypeError("root");
  const several = new AggregateError([new Error("one", { cause: root }), new Error("two")], "all");

  assertEquals(causeLines(new Error("top", { cause: several })), [
    "  caused by: AggregateError: all",
    "  caused by: Error: one",
    "  caused by: Error: two",
    "  caused by: TypeError: root",
  ]);
});

Deno.test("causeLines() ends at a cycle of causes", () => {
  const error = new Error("a");
  error.cause = new Error("b", { cause: error });

  assertEquals(causeLines(error), ["  caused by: Error: b"]);
});
