import { explainedError } from "../error_facts.ts";
import type { Mount } from "../runtime/runtime_spec.ts";
import type { SpecOption } from "../runtime/spec_option.ts";

/**
 * Sets the root file system.
 *
 * @param path Path of the directory, absolute or relative to the bundle.
 * @param readonly Whether it is read-only; `false` by default.
 * @returns The option.
 *
 * @example Use another directory as the root file system
 * ```ts
 * import { newSpec, withRootFS } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withRootFS("root", true)).root, { path: "root", readonly: true });
 * ```
 */
export function withRootFS(path: string, readonly = false): SpecOption {
  return (spec) => ({ ...spec, root: { path, readonly } });
}

/**
 * Makes the root file system read-only or writable.
 *
 * @param readonly Whether it is read-only; `true` by default.
 * @returns The option.
 *
 * @example Make the root file system read-only
 * ```ts
 * import { newSpec, withReadOnlyRoot } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withReadOnlyRoot()).root.readonly, true);
 * ```
 */
export function withReadOnlyRoot(readonly = true): SpecOption {
  return (spec) => ({ ...spec, root: { ...spec.root, readonly } });
}

/**
 * Adds mounts. A mount replaces an existing one with the same destination, for example to change
 * the size of `/dev/shm`.
 *
 * @param mounts The mounts, in their order.
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
  for (const { destination } of mounts) checkAbsolute(destination, "mount at", "mounts");
  return (spec) => ({ ...spec, mounts: mounts.reduce(replaceMount, spec.mounts) });
}

/** Checks that a path is absolute. */
export function checkAbsolute(path: string, verb: string, option: string): void {
  if (path.startsWith("/")) return;
  throw explainedError(TypeError, {
    code: "invalid-argument",
    action: `${verb} ${JSON.stringify(path)}`,
    subject: path,
    problem: "it must be an absolute path",
    option,
  });
}

function replaceMount(mounts: readonly Mount[], added: Mount): readonly Mount[] {
  const at = mounts.findIndex(({ destination }) => destination === added.destination);
  return at < 0 ? [...mounts, added] : mounts.with(at, added);
}
