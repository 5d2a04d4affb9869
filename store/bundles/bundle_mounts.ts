import { describeSystemError } from "../host/system_error.ts";
import type { MountEntry } from "../../layer/linux/mount_table.ts";
import { BundleError } from "../errors.ts";
import { mountsBelow, unmountAll } from "../host/unmount.ts";
import type { BundleMount, BundleRecord } from "./bundle_record.ts";

/** Returns the source of a bundle's mount, which no other mount has. */
export function mountSource(id: string): string {
  return `oci-${id}`;
}

/** Whether a bundle's directory has a mount that only the bundle can have. */
export function hasMarkedMount({ id, path, mounts }: BundleRecord): boolean {
  if (mounts.length === 0) return false;
  return tryMountsBelow(path)?.some(({ source }) => source === mountSource(id)) ?? false;
}

/**
 * Unmounts what is mounted in a bundle's directory. Other mounts belong to the user.
 *
 * @throws {BundleError} If something else is mounted in the directory, before anything is unmounted;
 * or if a mount cannot be unmounted.
 */
export async function unmountBundle(
  record: BundleRecord,
  onWarning?: (message: string) => void,
): Promise<void> {
  const { path } = record;
  const mounts = listMounts(record);
  refuseForeignMounts(record, mounts);
  try {
    await unmountAll(mounts, onWarning);
  } catch (error) {
    throw unmountError(path, error);
  }
  const [left] = listMounts(record);
  if (left !== undefined) throw stillMounted(path, left.target);
}

/** Refuses a bundle's directory in which something else is mounted. */
export function refuseForeignMounts(
  record: BundleRecord,
  mounts: readonly MountEntry[] = listMounts(record),
): void {
  const { path } = record;
  const foreign = mounts.find((mount) => !record.mounts.some((own) => isSame(mount, own, path)));
  if (foreign !== undefined) throw stillMounted(path, foreign.target);
}

function listMounts(record: BundleRecord): readonly MountEntry[] {
  const { path, mounts } = record;
  try {
    return mountsBelow(path);
  } catch (error) {
    // A process that cannot read the mount table cannot have made a mount.
    if (error instanceof Deno.errors.NotCapable && mounts.length === 0) return [];
    throw unmountError(path, error);
  }
}

function tryMountsBelow(path: string): readonly MountEntry[] | undefined {
  try {
    return mountsBelow(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

function isSame(mount: MountEntry, own: BundleMount, path: string): boolean {
  return mount.target === `${path}/${own.target}` &&
    (["type", "source", "device"] as const)
      .every((key) => own[key] === undefined || own[key] === mount[key]);
}

function stillMounted(path: string, target: string): BundleError {
  return new BundleError(`"${target}" is still mounted`, path, {
    code: "mounted",
    action: `remove "${path}"`,
    advice: "Unmount it first",
  });
}

function unmountError(path: string, cause: unknown): BundleError {
  return new BundleError(describeSystemError(cause), path, {
    code: "unmount",
    action: `unmount the root of "${path}"`,
    advice: "Do it as the user who made the bundle, and with --allow-ffi",
    cause,
  });
}
