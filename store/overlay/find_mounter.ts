import { readIdMaps } from "../../layer/extraction/id_map.ts";
import type { OwnershipMap } from "../../layer/extraction/ownership.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { NativeMount } from "../../layer/linux/native_mount.ts";
import { mountOverlay } from "../../layer/linux/overlay_mount.ts";
import type { WaitOptions } from "../host/file_lock.ts";
import { lstatIfAny, replaceSmallFile, tryRemove } from "../host/files.ts";
import { findProgram } from "../host/find_program.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import type { OverlayNamespace } from "../threads/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/**
 * Ways to mount with the kernel, in order of preference. `trusted` comes first, because a program
 * in a container could set `user` attributes itself. tmpfs supports those since Linux 6.6.
 */
const KERNEL_MOUNTS = [["trusted", "tmpfs"], ["user", "tmpfs"], ["user", "disk"]] as const;

/** Name of the file in a store with the result of the last test. */
const RESULT = "overlay.json";
const MAX_RESULT_BYTES = 65_536;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** The initial user namespace, whose inode number is the same on all machines. */
const INITIAL_NAMESPACE = "user:[4026531837]";
/** Lines of `/proc/self/status` that describe the privileges of this process. */
const RIGHTS = /^(?:CapEff|Seccomp|Seccomp_filters):.*/gm;

/**
 * Returns a mounter for the kernel's overlay file system, or the reason why there is none.
 *
 * The test takes longer than making a bundle. A positive result is kept in the store until the next
 * reboot, for processes in the same user namespace with the same privileges.
 */
export async function findKernelMounter(
  root: string,
  options: WaitOptions = {},
): Promise<OverlayMounter | string> {
  using _native = keepNativeBackend();
  const known = recallMounter(root);
  if (known !== undefined) return known;
  const mounter = await tryKernel(root, options);
  if (typeof mounter !== "string") await rememberMounter(root, mounter);
  return mounter;
}

/** Mounts test overlays with the kernel. Returns a mounter that works, or why none does. */
export async function tryKernel(
  root: string,
  options: WaitOptions = {},
): Promise<OverlayMounter | string> {
  if (Deno.build.os !== "linux") return "the overlay file system is part of Linux";
  using _native = keepNativeBackend();
  const { refuseNative, tryMounter } = await import("./_overlay_trial.ts");
  const refusal = await refuseNative(root);
  if (refusal !== undefined) return refusal;
  const reasons = new Set<string>();
  for (const [namespace, upper] of KERNEL_MOUNTS) {
    const mounter = kernelMounter(namespace, upper);
    const reason = await tryMounter(root, mounter, options);
    if (reason === undefined) return mounter;
    reasons.add(reason);
  }
  return [...reasons].join("; ");
}

/** Returns a mounter for fuse-overlayfs, or the reason why there is none. */
export async function findFuseMounter(
  root: string,
  options: WaitOptions = {},
): Promise<OverlayMounter | string> {
  const program = findProgram("fuse-overlayfs");
  if (program === undefined) return "fuse-overlayfs is not installed";
  const { fuseMounter } = await import("./_fuse_mounter.ts");
  const { refuseNative, tryMounter } = await import("./_overlay_trial.ts");
  const mounter = fuseMounter(program);
  return await refuseNative(root) ?? await tryMounter(root, mounter, options) ?? mounter;
}

/**
 * Returns a mounter that maps the owners of the lower directories, or the reason why the kernel
 * does not support it. A positive result is kept for these maps, like that of
 * {@linkcode findKernelMounter}.
 *
 * @param mounter Result of {@linkcode findKernelMounter}.
 */
export async function findMappedMounter(
  root: string,
  mounter: OverlayMounter,
  map: OwnershipMap,
  options: WaitOptions = {},
): Promise<OverlayMounter | string> {
  const { mappedMounter } = await import("./_mapped_mounter.ts");
  // A failure with mapped owners says nothing about other mounts.
  const mapped = mappedMounter(PLAIN.get(mounter) ?? mounter, map);
  const maps = JSON.stringify([map.uids, map.gids]);
  if (recallResult(root)?.maps === maps) return forgetting(`${root}/${RESULT}`, mapped);
  using _native = keepNativeBackend();
  const { tryMounter } = await import("./_overlay_trial.ts");
  const reason = await tryMounter(root, mapped, options);
  if (reason !== undefined) return reason;
  await rememberMounter(root, mapped, maps);
  return mapped;
}

/** Result of an earlier test. */
interface TestResult {
  readonly namespace: OverlayNamespace;
  readonly upper: OverlayMounter["upper"];
  /** Maps of owners that worked as well. */
  readonly maps: unknown;
}

/**
 * Returns the mounter of an earlier test if this process has the same privileges as the one that
 * ran it.
 */
function recallMounter(root: string): OverlayMounter | undefined {
  const known = recallResult(root);
  return known && forgetting(`${root}/${RESULT}`, kernelMounter(known.namespace, known.upper));
}

function recallResult(root: string): TestResult | undefined {
  const path = `${root}/${RESULT}`;
  if (lstatIfAny(path) === undefined) return undefined;
  try {
    const { place: conditions, namespace, upper, maps } =
      readJsonFile(path, { maxBytes: MAX_RESULT_BYTES }) ?? {};
    if (typeof conditions !== "string" || conditions !== describeConditions(root)) return undefined;
    const way = KERNEL_MOUNTS.find((way) => way[0] === namespace && way[1] === upper);
    if (way === undefined || !mayMount()) return undefined;
    // The store may have become read-only since the test, so that no layer could be stored.
    Deno.openSync(path, { write: true }).close();
    return { namespace: way[0], upper: way[1], maps };
  } catch {
    // The file is damaged or another user's. A new test replaces it.
    return undefined;
  }
}

/** Mounters that remove no result, by those that do. */
const PLAIN = new WeakMap<OverlayMounter, OverlayMounter>();

/** Returns a mounter that removes the result of a test when it fails. */
function forgetting(result: string, mounter: OverlayMounter): OverlayMounter {
  const forgetful: OverlayMounter = {
    ...mounter,
    mount: async (...mount) => {
      try {
        await mounter.mount(...mount);
      } catch (error) {
        // Let the next process test again.
        tryRemove(result);
        throw error;
      }
    },
  };
  PLAIN.set(forgetful, mounter);
  return forgetful;
}

/** Stores the result of a test. */
async function rememberMounter(
  root: string,
  { namespace, upper }: OverlayMounter,
  maps?: string,
): Promise<void> {
  try {
    const place = describeConditions(root);
    if (place === undefined) return;
    const text = JSON.stringify({ place, namespace, upper, maps });
    await replaceSmallFile(`${root}/${RESULT}`, `${text}\n`);
  } catch {
    // The next process tests again.
  }
}

/**
 * Describes the conditions of a test result: the running kernel, the user namespace, the privileges
 * of the process, and the directory of the store. Returns `undefined` without the native backend.
 */
function describeConditions(root: string): string | undefined {
  using calls = NativeMount.tryOpen();
  const info = lstatIfAny(Deno.realPathSync(root));
  if (calls === undefined || info === undefined) return undefined;
  const read = (path: string) => new TextDecoder().decode(calls.readFile(path)).trim();
  return JSON.stringify([
    read(BOOT_ID),
    // Another namespace can have the same mappings, but may not set `trusted` attributes.
    calls.readLink("/proc/self/ns/user") === INITIAL_NAMESPACE,
    readIdMaps(),
    read("/proc/self/status").match(RIGHTS),
    readLabel(read),
    info.dev,
    info.ino,
  ]);
}

/** Reads the label of the process, by which AppArmor and SELinux forbid mounts. */
function readLabel(read: (path: string) => string): string {
  try {
    return read("/proc/self/attr/current");
  } catch {
    // The kernel has no security module with labels.
    return "";
  }
}

function mayMount(): boolean {
  using calls = NativeMount.tryOpen();
  return calls?.mayMount("overlay") ?? false;
}

/** Returns a mounter that uses the overlay file system of the kernel. */
function kernelMounter(
  namespace: OverlayNamespace,
  upper: OverlayMounter["upper"],
): OverlayMounter {
  return {
    kind: "overlay",
    namespace,
    upper,
    mount(lowers, target, { source, ...writable }) {
      mountOverlay(lowers, target, { writable, source, userXattr: namespace === "user" });
      return Promise.resolve();
    },
  };
}
