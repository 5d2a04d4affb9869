import { errorCode } from "../../spec/error_facts.ts";
import { NativeMount } from "./native_mount.ts";

/**
 * Unmounts the topmost mount of each target, the last target first. Busy mounts are detached.
 *
 * @param targets Paths of mount points, in the order of mounting.
 * @param doing Start of the error message if the native backend is not available.
 * @param onWarning Called for each mount that is detached.
 */
export function unmountTargets(
  targets: readonly string[],
  doing: string,
  onWarning?: (message: string) => void,
): void {
  if (targets.length === 0) return;
  using calls = NativeMount.open(doing);
  const detached: string[] = [];
  for (const target of targets.toReversed()) {
    try {
      calls.unmount(target, false);
    } catch (error) {
      if (errorCode(error) !== "EBUSY") throw error;
      calls.unmount(target, true);
      detached.push(target);
    }
  }
  // Called after everything is unmounted, because a callback may throw.
  for (const target of detached) {
    onWarning?.(`"${target}" is still in use: it is detached, and unmounted once nothing uses it`);
  }
}
