import { checkIntegers } from "../../spec/error_facts.ts";
import { NativeMount } from "./native_mount.ts";

/** Options for {@linkcode mountTmpfs}. */
export interface TmpfsMountOptions {
  /**
   * Maximum size in bytes.
   *
   * @default Half of the memory, the kernel's default.
   */
  readonly sizeBytes?: number | undefined;
  /**
   * Source in the mount table, which identifies the mount.
   *
   * @default {"tmpfs"}
   */
  readonly source?: string | undefined;
}

/**
 * Mounts a tmpfs that only the current user can access.
 *
 * @param target The directory to mount it at.
 * @throws {Deno.errors.NotSupported} If the native backend is not available.
 * @throws {Deno.errors.PermissionDenied} If the process may not mount.
 * @throws {RangeError} If the size is not a positive integer.
 */
export function mountTmpfs(target: string, options: TmpfsMountOptions = {}): void {
  const { sizeBytes, source } = options;
  checkIntegers("mount a tmpfs", { sizeBytes }, 1);
  using calls = NativeMount.open(`Cannot mount a tmpfs at "${target}"`);
  const size = sizeBytes === undefined ? "" : `,size=${sizeBytes}`;
  calls.mountByPage("tmpfs", `mode=0700${size}`, target, source);
}
