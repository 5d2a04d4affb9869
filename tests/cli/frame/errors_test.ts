import { assertEquals } from "@std/assert";
import { causeLines, errorDocument, errorLine, UsageError } from "../../../cli/frame/errors.ts";
import { ExtractError, OwnershipError } from "../../../layer/mod.ts";
import { ArtifactError, AuthError, NotFoundError, RegistryError } from "../../../registry/mod.ts";
import {
  DigestMismatchError,
  LimitError,
  OciError,
  parsePlatform,
  PlatformError,
} from "../../../spec/mod.ts";
import { StoreError, UnpackError } from "../../../store/mod.ts";

const DIGEST = `sha256:${"0".repeat(64)}` as const;

Deno.test.each([
  {
    name: "the remedy of the library",
    error: new OciError('Cannot reach "a:5000": connection refused; check the name and the port'),
    line:
      'oci: pull a:5000/b: cannot reach "a:5000": connection refused; check the name and the port',
  },
  {
    name: "the flag in place of the library's option",
    error: new PlatformError('"a"', parsePlatform("linux/s390x"), [parsePlatform("linux/amd64")]),
    line: 'oci: pull a:5000/b: cannot find linux/s390x in "a": it has linux/amd64; ' +
      "choose one with --platform",
  },
  {
    name: "that wrong bytes were not stored",
    error: new DigestMismatchError({ expected: DIGEST, expectedSize: 5, size: 6, source: "a" }),
    line: `oci: pull a:5000/b: cannot accept the bytes from a as ${DIGEST}: more than 5 bytes ` +
      "came; it was not stored; try again or use another mirror",
  },
  {
    name: "the action only once",
    error: new OciError('Cannot pull "a:5000/b": it is gone; look elsewhere'),
    line: "oci: pull a:5000/b: it is gone; look elsewhere",
  },
  {
    name: "how to log in",
    error: new AuthError('Cannot pull "a:5000/b": it needs a login; a answered 401; log in', {
      status: 401,
      url: "https://a:5000/v2/",
    }),
    line: "oci: pull a:5000/b: it needs a login; a answered 401; " +
      'log in with "oci login", or give --user',
  },
  {
    name: "what to do about a missing name",
    error: new NotFoundError('Cannot pull "a:5000/b": it answered 404; no credential was found', {
      status: 404,
      url: "https://a:5000/v2/",
    }),
    line: "oci: pull a:5000/b: it answered 404; no credential was found; " +
      "check the name, or log in with --user",
  },
  {
    name: "the permission to grant",
    error: new Deno.errors.NotCapable(
      'Requires net access to "a:5000", run again with the --allow-net flag',
    ),
    line: 'oci: pull a:5000/b: Requires net access to "a:5000"; ' +
      'grant it with --allow-net=a:5000, or all that a command needs with "oci permissions"',
  },
  {
    name: "the permission for the directory of a file",
    error: new Deno.errors.NotCapable(
      'Requires write access to "/store/blobs", run again with the --allow-write flag',
    ),
    line: 'oci: pull a:5000/b: Requires write access to "/store/blobs"; ' +
      'grant it with --allow-write, or all that a command needs with "oci permissions"',
  },
  {
    name: "the permission for a file that needs all permissions",
    error: new Deno.errors.NotCapable(
      'Requires all access to "/dev/shm/a", run again with the --allow-all flag',
    ),
    line: 'oci: pull a:5000/b: Requires all access to "/dev/shm/a"; ' +
      'grant it with --allow-all, or all that a command needs with "oci permissions"',
  },
  {
    name: "how to repair a file of the store",
    error: new DigestMismatchError({ expected: DIGEST, actual: DIGEST, size: 6, source: '"/a"' }),
    line: `oci: pull a:5000/b: cannot accept the bytes from "/a" as ${DIGEST}: their digest is ` +
      `${DIGEST}; fetch it again with --policy if-not-present`,
  },
  {
    name: "where to look for a layout",
    error: new StoreError('Cannot find an image in "/a": it is empty, or no layout', "/a"),
    line: 'oci: pull a:5000/b: cannot find an image in "/a": it is empty, or no layout; ' +
      "check the path and the name after it",
  },
  {
    name: "how to look at an artifact",
    error: new ArtifactError("a:5000/b", "text/x"),
    line: 'oci: pull a:5000/b: cannot read "a:5000/b" as an image: it is an artifact of type ' +
      '"text/x"; get its files with "oci artifact pull", or its manifest with "oci inspect --raw"',
  },
  {
    name: "no option of the library's for a limit",
    error: new LimitError("layers", 256, 257, "an image", "maxLayers"),
    line:
      "oci: pull a:5000/b: cannot accept more than 256 layers of an image: there are at least " +
      "257; it may be an attack; if it is not, a program of yours can raise the limit",
  },
  {
    name: "the problem of a document and its author",
    error: new SyntaxError("Cannot read manifest as it must be JSON in UTF-8"),
    line: "oci: pull a:5000/b: cannot read manifest as it must be JSON in UTF-8; " +
      "report it to the author of the image",
  },
  {
    name: "how to show the requests",
    error: new RegistryError('Cannot pull "a:5000/b": a answered 418', { status: 418, url: "" }),
    line: "oci: pull a:5000/b: a answered 418; see each request with --debug",
  },
  {
    name: "what to do about a read-only disk",
    error: Object.assign(new Error("Read-only file system (os error 30)"), { code: "EROFS" }),
    line: "oci: pull a:5000/b: Read-only file system (os error 30); " +
      "choose a writable place; for the store, use --store",
  },
  {
    name: "what to do about a disk that became full within a layer",
    error: new ExtractError({ path: "etc/hosts", offset: 512 }, "No space left on device", {
      cause: Object.assign(new Error("No space left on device"), { code: "ENOSPC" }),
    }),
    line: 'oci: pull a:5000/b: cannot extract "etc/hosts" at byte 512 of the layer: ' +
      'No space left on device; free some space; if enough is free, free inodes, which "df -i" shows',
  },
  {
    name: "what to do about too many open files",
    error: Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" }),
    line: "oci: pull a:5000/b: Too many open files (os error 24); " +
      'raise the limit of open files with "ulimit -n 1024"',
  },
  {
    name: "one line of a message with several",
    error: new Error("first\nsecond\x1b[2J"),
    line: "oci: pull a:5000/b: first\\u{a}second\\u{1b}[2J; report it if this should work",
  },
  {
    name: "a thrown value that is not an error",
    error: "text",
    line: "oci: pull a:5000/b: text; report it if this should work",
  },
  {
    name: "the flag that the command line has for a map",
    error: new OwnershipError(
      { path: "a", offset: 0 },
      { uid: 7, gid: 0 },
      'no range; add to "uids"',
    ),
    line: 'oci: pull a:5000/b: cannot extract "a" at byte 0 of the layer: no range; ' +
      "add to --uid-map",
  },
  {
    name: "the flag for the ownership",
    error: new OciError('Cannot go on: no; do x, or choose the ownership "squash" or "record"'),
    line: "oci: pull a:5000/b: cannot go on: no; do x, or give --ownership squash or record",
  },
  {
    name: "how to list the files if a path is missing",
    error: new UnpackError('Cannot unpack "x": the image does not contain it', "x"),
    line: 'oci: pull a:5000/b: cannot unpack "x": the image does not contain it; ' +
      'list its files with "oci ls"',
  },
  {
    name: "where to see a cause",
    error: new OciError("Cannot go on", { cause: new Error("x") }),
    line: "oci: pull a:5000/b: cannot go on; show the cause with --verbose",
  },
  {
    name: "the name if it differs from the typed one",
    error: new RegistryError('Cannot pull "c/d": c answered 418', { status: 418, url: "" }),
    line: 'oci: pull a:5000/b: "c/d": c answered 418; see each request with --debug',
  },
  {
    name: "no advice out of a quoted text",
    error: new UsageError('Cannot use "a; b"'),
    line: 'oci: pull a:5000/b: cannot use "a; b"; see --help',
  },
])("errorLine() says $name", ({ error, line }) => {
  assertEquals(errorLine(error, "pull a:5000/b"), line);
});

Deno.test("errorLine() omits the library's action for other commands", () => {
  const fields = { status: 418, url: "" };
  const pulled = new RegistryError('Cannot pull "a/b:1": a answered 418', fields);
  const listed = new RegistryError('Cannot list the tags of "a/b": a answered 418', fields);

  const rest = "a answered 418; see each request with --debug";
  assertEquals(errorLine(pulled, "cat a/b:1 etc/hosts"), `oci: cat a/b:1 etc/hosts: ${rest}`);
  assertEquals(errorLine(listed, "tags a/b"), `oci: tags a/b: ${rest}`);
});

Deno.test("errorDocument() has the fields of the library's errors", () => {
  const error = new PlatformError('"a"', parsePlatform("linux/s390x"), []);

  assertEquals(errorDocument(error), {
    error: {
      name: "PlatformError",
      message: error.message,
      wanted: { os: "linux", architecture: "s390x" },
      available: [],
    },
  });
});

Deno.test("errorDocument() has name and message of other errors", () => {
  assertEquals(errorDocument(new TypeError("x")), { error: { name: "TypeError", message: "x" } });
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

Deno.test("causeLines() ends where causes go round", () => {
  const error = new Error("a");
  error.cause = new Error("b", { cause: error });

  assertEquals(causeLines(error), ["  caused by: Error: b"]);
});
