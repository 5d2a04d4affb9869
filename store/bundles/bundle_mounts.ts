import { type MountEntry, mountsBelow } from "../../layer/linux/mount_table.ts";
import type { BundleRecord } from "./bundle_record.ts";

/** Returns the source of a bundle's mount, which no other mount has. */
export function mountSource(id: string): string {
  return `oci-${id}`;
}

/** Whether a bundle's directory has a mount that only the bundle can have. */
export function hasMarkedMount({ id, path, mounts }: BundleRecord): boolean {
  if (mounts.length === 0) return false;
  return tryMountsBelow(path)?.some(({ source }) => source === mountSource(id)) ?? false;
}

function tryMountsBelow(path: string): readonly MountEntry[] | undefined {
  try {
    return mountsBelow(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
