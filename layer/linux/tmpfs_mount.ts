import { NativeMount } from "./native_mount.ts";

/** Options for {@linkcode mountTmpfs}. */
export interface TmpfsMountOptions {
  /**
   * The most bytes that it takes of the memory.
   *
   * @default Half of the machine's memory, as the kernel has it.
   */
  readonly sizeBytes?: number | undefined;
  /**
   * Source of the mount in the mount table, which tells it from other ones.
   *
   * @default {"tmpfs"}
   */
  readonly source?: string | undefined;
}

/**
 * Mounts a file system in memory, which belongs to this user alone.
 *
 * @param target The directory to mount it at.
 * @param options How large it may become.
 * @throws {Deno.errors.NotSupported} If the native backend is not available.
 * @throws {Deno.errors.PermissionDenied} If the process may not mount.
 * @throws {RangeError} If the size is no number of bytes.
 *
 * @example A size must be one
 * ```ts
 * import { mountTmpfs } from "@x/oci/layer";
 * import { assertThrows } from "@std/assert";
 *
 * assertThrows(() => mountTmpfs("/mnt", { sizeBytes: -1 }), RangeError);
 * ```
 */
export function mountTmpfs(target: string, options: TmpfsMountOptions = {}): void {
  const { sizeBytes, source } = options;
  if (sizeBytes !== undefined && !(Number.isSafeInteger(sizeBytes) && sizeBytes > 0)) {
    throw new RangeError(
      `Cannot mount a tmpfs as "sizeBytes" must be an integer > 0: current value is ${sizeBytes}`,
    );
  }
  using calls = NativeMount.open(`Cannot mount a tmpfs at "${target}"`);
  const size = sizeBytes === undefined ? "" : `,size=${sizeBytes}`;
  calls.mountByPage("tmpfs", `mode=0700${size}`, target, source);
}
