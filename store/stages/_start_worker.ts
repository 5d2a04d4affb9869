/** Whether a worker may read its module, which from a checkout is a file. Nobody is asked. */
export function mayReadModule(module: URL): boolean {
  if (module.protocol !== "file:") return true;
  return Deno.permissions.querySync({ name: "read", path: module }).state === "granted";
}

/** Starts a worker, where one can be had: what it would do can be done in this thread, too. */
export function startWorker(module: URL): Worker | undefined {
  if (!mayReadModule(module)) return undefined;
  try {
    return new Worker(module, { type: "module" });
  } catch {
    return undefined;
  }
}
