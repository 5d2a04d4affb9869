import type { Mount } from "./runtime_spec.ts";
import type { SpecOption } from "./spec_option.ts";

/**
 * Sets the root file system.
 *
 * @param path Its directory, absolute or relative to the bundle.
 * @param readonly Whether it cannot be written to.
 * @returns The option.
 */
export function withRootFS(path: string, readonly = false): SpecOption {
  return (spec) => ({ ...spec, root: { path, readonly } });
}

/**
 * Says whether the root file system cannot be written to, wherever it is.
 *
 * @param readonly Whether it cannot.
 * @returns The option.
 */
export function withReadOnlyRoot(readonly = true): SpecOption {
  return (spec) => ({ ...spec, root: { ...spec.root, readonly } });
}

/**
 * Adds mounts. One at the place of another takes its place, so that `/dev/shm`, say, can be given
 * another size.
 *
 * @param mounts What to mount, in this order.
 * @returns The option.
 * @throws {TypeError} If a destination is not absolute.
 *
 * @example Share a directory of the host
 * ```ts
 * import { newSpec, withMounts } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const data = { destination: "/data", type: "bind", source: "/srv", options: ["rbind", "ro"] };
 *
 * assertEquals(newSpec(withMounts([data])).mounts.at(-1), data);
 * ```
 */
export function withMounts(mounts: readonly Mount[]): SpecOption {
  for (const { destination } of mounts) {
    if (!destination.startsWith("/")) {
      throw new TypeError(
        `Cannot mount at ${JSON.stringify(destination)} as it must be an absolute path`,
      );
    }
  }
  return (spec) => ({ ...spec, mounts: mounts.reduce(replaceMount, spec.mounts) });
}

function replaceMount(mounts: readonly Mount[], added: Mount): readonly Mount[] {
  const at = mounts.findIndex(({ destination }) => destination === added.destination);
  return at < 0 ? [...mounts, added] : mounts.with(at, added);
}
