import { statfs } from "node:fs/promises";
import { storeVariables } from "../../cache/store_directory.ts";
import { nativeRefusal } from "../../layer/disk/open_tree.ts";
import { errorCode, problemOf } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import { resolve } from "../../spec/paths.ts";
import { removeEmptyDirectories } from "../../store/host/files.ts";
import { findProgram } from "../../store/host/find_program.ts";
import { describeSystemError } from "../../store/host/system_error.ts";
import {
  fuseOverlaySupported,
  idMapSupported,
  overlaySupported,
} from "../../store/overlay/supported.ts";
import { storePath } from "../access/store.ts";
import type { Session } from "../frame/session.ts";
import { formatBytes } from "../terminal/format.ts";
import { examineBundles } from "./doctor_bundles.ts";
import { programPlaces } from "./doctor_containers.ts";
import {
  type Diagnosis,
  type DoctorFinding,
  missingFlags,
  missingVariables,
  Subject,
} from "./findings.ts";

const STORE = new Subject("Store");
const NATIVE = new Subject("Native backend");
const OVERLAYS = new Subject("Overlays");

/** Checks the store directory, and mounting in it. */
export async function examineStore(session: Session): Promise<Diagnosis> {
  const path = findStore(session);
  if (typeof path !== "string") return { facts: { store: null, ...NO_TRIALS }, findings: [path] };
  const needs = (["read", "write"] as const).map((name) => ({ name, path }));
  const flags = missingFlags(needs);
  const isReadable = isGranted({ name: "read", path });
  if (flags.length > 0) {
    const exists = isReadable ? await isFound(path) : null;
    const facts = { store: { path, exists, writable: null, freeBytes: null }, ...NO_TRIALS };
    const findings = TRIED.map(([subject, what]) => subject.ungranted(what, flags));
    return { facts, findings };
  }
  return await tryStore(path);
}

const TRIED = [
  [STORE, "whether it is writable"],
  [NATIVE, "whether it can be used in the store"],
  [OVERLAYS, "whether they can be mounted in the store"],
] as const;
const NO_TRIALS = { native: null, overlay: null, idMappedMounts: null, fuseOverlayfs: null };

function findStore(session: Session): string | DoctorFinding {
  const { store } = session.options();
  const variables = store === undefined ? storeVariables() : [];
  const flags = missingVariables(variables);
  if (flags.length > 0) return STORE.ungranted("the location of the store", flags);
  try {
    return resolve(storePath(session));
  } catch (error) {
    return STORE.problem(
      `cannot find the directory of the store: ${problemOf(error)}`,
      "specify it with --store or $OCI_STORE",
    );
  }
}

async function isFound(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch {
    // Absent, or in a directory that this user may not search.
    return false;
  }
}

async function tryStore(path: string): Promise<Diagnosis> {
  const exists = await isFound(path);
  let refusal: string | undefined;
  try {
    using _created = await createIfMissing(path);
    const temporary = await Deno.makeTempFile({ dir: path, prefix: ".oci-doctor-" });
    await Deno.remove(temporary);
    const freeBytes = await readFreeBytes(path);
    const bundles = await examineBundles(path);
    const trials = await tryMounts(path);
    const store = { path, exists, writable: true, freeBytes, ...bundles.facts };
    return {
      facts: { store, ...trials.facts },
      findings: [
        storeFinding(path, exists, freeBytes),
        ...bundles.findings,
        ...trials.findings,
      ],
    };
  } catch (error) {
    refusal = refusalOf(error);
    if (refusal === undefined) throw error;
  }
  const facts = { store: { path, exists, writable: false, freeBytes: null }, ...NO_TRIALS };
  const says = `${path} ${exists ? "is not writable" : "cannot be created"} (${refusal})`;
  const advice =
    "choose another store with --store or $OCI_STORE, or check the owner of the directory";
  return { facts, findings: [STORE.problem(says, advice)] };
}

/**
 * Returns the message of the system or of Deno if it refused access; `undefined` for other errors.
 */
function refusalOf(error: unknown): string | undefined {
  const isRefusal = errorCode(error) !== undefined || error instanceof Deno.errors.NotCapable;
  return isRefusal ? describeSystemError(error) : undefined;
}

/**
 * Creates a directory if it is missing, with its ancestors if that is permitted. Disposing of the
 * result removes them again.
 */
async function createIfMissing(path: string): Promise<Disposable> {
  const made: string[] = [];
  for (let at = path; !await isFound(at);) {
    made.push(at);
    const parent = resolve(at, "..");
    if (parent === at || !isGranted({ name: "write", path: parent })) break;
    at = parent;
  }
  // Without a umask, the checks would refuse a store that every user may write to.
  for (const directory of made.toReversed()) await Deno.mkdir(directory, { mode: 0o755 });
  return { [Symbol.dispose]: () => removeEmptyDirectories(made) };
}

async function readFreeBytes(path: string): Promise<number | null> {
  if (!isGranted({ name: "sys", kind: "statfs" })) return null;
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Minimum free space: few images are smaller. */
const MIN_FREE_BYTES = 1_000_000;

function storeFinding(path: string, exists: boolean, freeBytes: number | null): DoctorFinding {
  const state = exists ? "is writable" : "does not exist yet and can be created";
  const free = freeBytes === null ? "" : `; ${formatBytes(freeBytes)} free`;
  const says = `${path} ${state}${free}`;
  return freeBytes !== null && freeBytes < MIN_FREE_BYTES
    ? STORE.problem(says, "free some space")
    : STORE.ok(says);
}

async function tryMounts(path: string): Promise<Diagnosis> {
  const native = nativeRefusal(path);
  const overlay = await overlaySupported(path);
  const mapped = overlay.supported ? await tryIdMap(path) : undefined;
  const fuse = await tryFuse(path);
  const hasOverlay = overlay.supported || fuse.facts?.supported === true;
  const findings: DoctorFinding[] = [
    native === undefined
      ? NATIVE.ok("openat2 and the C library are available")
      : NATIVE.note(native, NATIVE_LACK),
    overlay.supported
      ? OVERLAYS.ok(`the kernel mounts them with ${overlay.namespace} attributes`)
      : OVERLAYS.note(`the kernel cannot mount them here: ${overlay.reason}`),
    ...mapped === undefined ? [] : [mapped.finding],
    fuse.finding,
    ...hasOverlay ? [] : [OVERLAYS.note("bundles are extracted")],
  ];
  return {
    facts: {
      native: native === undefined ? { supported: true } : { supported: false, reason: native },
      overlay,
      idMappedMounts: mapped === undefined ? overlay : mapped.facts,
      fuseOverlayfs: fuse.facts,
    },
    findings,
  };
}

const NATIVE_LACK =
  "without it, overlays are not mounted, and device nodes and extended attributes are " +
  "not unpacked";

interface TrialResult {
  readonly facts: { readonly supported: boolean; readonly reason?: string } | null;
  readonly finding: DoctorFinding;
}

/** Tests mounts with mapped owners, if permissions allow. */
async function tryIdMap(path: string): Promise<TrialResult> {
  const flags = missingFlags([...programPlaces().needs, { name: "run", command: "unshare" }]);
  if (flags.length > 0) {
    const finding = OVERLAYS.ungranted("whether the kernel maps the owners of layers", flags);
    return { facts: null, finding };
  }
  const support = await idMapSupported(path);
  if (support.supported) {
    return {
      facts: { supported: true },
      finding: OVERLAYS.ok("the kernel maps owners (--uid-map)"),
    };
  }
  const says = `the kernel cannot map owners here: ${support.reason}`;
  const finding = OVERLAYS.note(says, "use --slow-chown with --uid-map");
  return { facts: support, finding };
}

/** Tests fuse-overlayfs, if permissions allow. */
async function tryFuse(path: string): Promise<TrialResult> {
  const program = "fuse-overlayfs";
  const flags = missingFlags(programPlaces().needs);
  if (flags.length > 0) {
    return { facts: null, finding: OVERLAYS.ungranted(`the location of ${program}`, flags) };
  }
  const found = findProgram(program);
  const runFlags = found === undefined ? [] : missingFlags([{ name: "run", command: found }]);
  if (runFlags.length > 0) {
    return { facts: null, finding: OVERLAYS.ungranted(`whether ${found} mounts them`, runFlags) };
  }
  const support = await fuseOverlaySupported(path);
  const finding = support.supported
    ? OVERLAYS.ok(`${found} mounts them`)
    : OVERLAYS.note(`${program} cannot mount them: ${support.reason}`);
  return { facts: support, finding };
}
