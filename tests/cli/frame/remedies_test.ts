import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../../cli/commands.ts";
import { errorDocument, errorLine, exitCodeOf } from "../../../cli/frame/failure.ts";
import { idsAdvice } from "../../../cli/frame/ids_advice.ts";
import { declareCommand } from "../../../cli/frame/program.ts";
import {
  DecompressError,
  ExtractError,
  OwnershipError,
  PathEscapeError,
  TarError,
} from "../../../layer/mod.ts";
import { ArtifactError } from "../../../registry/mod.ts";
import { explainedError } from "../../../spec/error_facts.ts";
import {
  DiffIdMismatchError,
  DigestMismatchError,
  LimitError,
  OciError,
  parsePlatform,
  PlatformError,
  UnknownUserError,
  UnsupportedDigestError,
} from "../../../spec/mod.ts";
import { SignatureError, UnpackError } from "../../../store/mod.ts";
import { REGISTRY_REMEDIES } from "./_registry_remedies.ts";
import { DIGEST, explained, type RemedyRow, REPORT } from "./_remedy_row.ts";
import { STORE_REMEDIES } from "./_store_remedies.ts";

/** The declarations of all commands. */
const DECLARED = new Map(
  await Promise.all([...COMMANDS].map(async ([name, { load }]) => {
    return [name, declareCommand(name, await load(), COMMANDS)] as const;
  })),
);
const PLACE = { path: "etc/hosts", offset: 512 };

/** Each code, and the output of the command line for it. */
const ROWS: readonly RemedyRow[] = [
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
      "They were not stored; try again or use another mirror",
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
    error: new ExtractError(PLACE, "the file system does not support it", {
      cause: Object.assign(new Error("x"), { code: "ENOSYS" }),
    }),
    line: 'cannot extract "etc/hosts" at byte 512 of the layer: the file system does not support ' +
      "it. Choose a directory on another file system",
  },
  {
    error: new ExtractError(PLACE, "it is not permitted", {
      cause: new Deno.errors.PermissionDenied("no"),
      option: "xattrs",
    }),
    command: "unpack",
    line: 'cannot extract "etc/hosts" at byte 512 of the layer: it is not permitted. ' +
      "Choose --xattrs on",
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
    error: new OciError("it has only ID 0", {
      code: "invalid-argument",
      option: "uidMap",
      subject: "7",
    }),
    command: "run",
    line: "it has only ID 0. Choose another user with --user, or " +
      (Deno.uid() === 0 ? "map it with --uid-map" : idsAdvice()),
  },
  {
    error: new OciError("they overlap", { code: "invalid-argument", option: "gidMap" }),
    command: "run",
    line: "they overlap. Check the ranges of --gid-map",
  },
  {
    error: new OciError("it is closed", {
      code: "invalid-argument",
      option: "directory",
      subject: "/root",
    }),
    command: "run",
    line: `it is closed. Choose another --store, such as /var/lib/oci, or run 'chmod o+x "/root"'`,
  },
  {
    error: new OciError("it is old", { code: "overlay", option: "slowChown" }),
    command: "run",
    line: "it is old. Choose --slow-chown or --bundler uncompressed",
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
  ...REGISTRY_REMEDIES,
  ...STORE_REMEDIES,
];

for (const { error, line, command = "pull" } of ROWS) {
  const { code } = error;
  Deno.test(`errorLine() and errorDocument() explain ${code}: ${line}`, () => {
    const failed = { action: "pull a.io/b:1", command: DECLARED.get(command) };
    const remedy = line.slice(line.lastIndexOf(". ") + 2);

    assertEquals(errorLine(error, failed), `oci: pull a.io/b:1: ${line}`);
    const document = JSON.parse(JSON.stringify(errorDocument(error, failed))).error;
    const { name, message } = error;
    assertEquals([document.name, document.code, document.message], [name, code, message]);
    assert(String(document.remedy).endsWith(remedy), document.remedy);
  });

  Deno.test(`a reworded ${code} keeps exit code, remedy and JSON: ${line}`, () => {
    const failed = { action: "pull a.io/b:1", command: DECLARED.get(command) };
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
