import { NotCachedError } from "../../../cache/errors.ts";
import { StoreDirectoryError } from "../../../cache/store_directory.ts";
import { parseReference } from "../../../registry/mod.ts";
import { OciError } from "../../../spec/mod.ts";
import {
  ArchiveError,
  ArtifactFileError,
  BundleError,
  DiskFullError,
  LockUnsupportedError,
  RuntimeError,
  StoreError,
  StoreFileError,
  UnpackError,
  UntrustedStoreError,
} from "../../../store/mod.ts";
import { DIGEST, explained, facts, type RemedyRow } from "./_remedy_row.ts";

/** The errors of `cache/` and `store/` and their remedies. */
export const STORE_REMEDIES: readonly RemedyRow[] = [
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
  {
    error: Object.assign(facts("missing-content"), { option: "foreignLayers" }),
    line: 'cannot do x: it is so. Copy the image into it again with "oci copy --copy-foreign"',
  },
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
  {
    error: new OciError("it is large", { code: "archive-format", option: "images" }),
    line: "it is large. Save fewer images, or use --format oci-dir",
  },
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
      "Choose another directory, or add to its content with --force",
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
    error: new RuntimeError("crun says: no", "/usr/bin/crun", ["no"], {
      code: "container-start",
      action: "start the container",
      advice: "Check the command",
    }),
    line: "cannot start the container: crun printed the error above. Check the command",
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
