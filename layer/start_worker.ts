import { isGranted } from "../spec/granted.ts";

/**
 * Whether a worker may load its module, which requires read permission if it is a local file. Never
 * prompts.
 *
 * @param module URL of the module.
 */
export function mayStartWorker(module: URL): boolean {
  return module.protocol !== "file:" || isGranted({ name: "read", path: module });
}

/**
 * Starts a worker.
 *
 * @param module URL of its module.
 * @returns The worker; `undefined` if it cannot be started.
 */
export function startWorker(module: URL): Worker | undefined {
  if (!mayStartWorker(module)) return undefined;
  try {
    return new Worker(module, { type: "module" });
  } catch {
    // The caller then does the work on this thread.
    return undefined;
  }
}
