import { readIdMaps } from "../../layer/extraction/id_map.ts";
import { keepNativeBackend } from "../../layer/linux/native_libc.ts";
import { NativeMount } from "../../layer/linux/native_mount.ts";
import { mountOverlay } from "../../layer/linux/overlay_mount.ts";
import { lstatIfAny, removeIfAny, replaceSmallFile } from "../host/files.ts";
import type { WaitOptions } from "../host/file_lock.ts";
import { findProgram } from "../host/find_runtime.ts";
import { readJsonFile } from "../host/read_small_file.ts";
import type { OverlayNamespace } from "../stages/overlay_extraction.ts";
import type { OverlayMounter } from "./overlay_mounter.ts";

/**
 * Ways to mount with the kernel. User attributes come second, since a program in the container
 * could set them itself; tmpfs supports them since Linux 6.6.
 */
const WAYS = [["trusted", "tmpfs"], ["user", "tmpfs"], ["user", "disk"]] as const;

/** Name of the file in a store with the result of the last test. */
const RESULT = "overlay.json";
const MAX_RESULT_BYTES = 65_536;
const BOOT_ID = "/proc/sys/kernel/random/boot_id";
/** The user namespace of the machine, whose number is the same everywhere. */
const INITIAL_NAMESPACE = "user:[4026531837]";
/** What the kernel lets this process do, in `/proc/self/status`. */
const RIGHTS = /^(?:CapEff|Seccomp|Seccomp_filters):.*/gm;

/**
 * Returns a mounter for the kernel's overlay file system, or the reason why there is none.
 *
 * The test takes longer than a bundle. A positive result is kept in the store until the machine is
 * started again, for processes in the same user namespace and with the same rights.
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

/** Mounts test overlays with the kernel; returns a mounter that works, or the reason. */
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
  for (const [namespace, upper] of WAYS) {
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
  const program = await findProgram("fuse-overlayfs");
  if (program === undefined) return "fuse-overlayfs is not installed";
  const { fuseMounter } = await import("./_fuse_mounter.ts");
  const { refuseNative, tryMounter } = await import("./_overlay_trial.ts");
  const mounter = fuseMounter(program);
  return await refuseNative(root) ?? await tryMounter(root, mounter, options) ?? mounter;
}

/** Returns the mounter that a test has found, if this process may mount as the tested one could. */
function recallMounter(root: string): OverlayMounter | undefined {
  const path = `${root}/${RESULT}`;
  if (lstatIfAny(path) === undefined) return undefined;
  try {
    const { place, namespace, upper } = readJsonFile(path, { maxBytes: MAX_RESULT_BYTES }) ?? {};
    if (typeof place !== "string" || place !== describePlace(root)) return undefined;
    const way = WAYS.find((way) => way[0] === namespace && way[1] === upper);
    if (way === undefined || !mayMount()) return undefined;
    // The store may have been mounted read-only since, so that layers cannot be stored.
    Deno.openSync(path, { write: true }).close();
    const mounter = kernelMounter(way[0], way[1]);
    return {
      ...mounter,
      mount: async (...mount) => {
        try {
          await mounter.mount(...mount);
        } catch (error) {
          forgetMounter(path);
          throw error;
        }
      },
    };
  } catch {
    // It is damaged or another user's, so a test replaces it.
    return undefined;
  }
}

/** Removes the result of a test, so that the next process tests again. */
function forgetMounter(path: string): void {
  try {
    removeIfAny(path);
  } catch {
    // The reason why the mount failed is the more useful error.
  }
}

/** Keeps the result of a test in the store. */
async function rememberMounter(root: string, { namespace, upper }: OverlayMounter): Promise<void> {
  try {
    const place = describePlace(root);
    if (place === undefined) return;
    const path = `${root}/${RESULT}`;
    removeIfAny(path);
    await replaceSmallFile(path, `${JSON.stringify({ place, namespace, upper })}\n`);
  } catch {
    // The next process tests again.
  }
}

/**
 * Describes the conditions of a test result: the running kernel, the user namespace, the rights of
 * the process, and the directory of the store. Returns `undefined` without the native backend.
 */
function describePlace(root: string): string | undefined {
  using calls = NativeMount.tryOpen();
  const info = lstatIfAny(Deno.realPathSync(root));
  if (calls === undefined || info === undefined) return undefined;
  const read = (path: string) => new TextDecoder().decode(calls.readFile(path)).trim();
  return JSON.stringify([
    read(BOOT_ID),
    // Another namespace can have the same mappings, but not the same attributes.
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
    // There is no such module.
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
      mountOverlay(lowers, target, {
        writable,
        source,
        userXattr: namespace === "user",
        // A redirect refers to a directory of a lower layer by name, but layers are shared between
        // stacks.
        redirectDirectories: false,
      });
      return Promise.resolve();
    },
  };
}
