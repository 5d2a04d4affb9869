import { isGranted } from "../../spec/granted.ts";

/** Permissions that Deno requires to read `/proc/self` without a prompt. */
const ALL = ["read", "write", "net", "env", "run", "ffi", "sys"] as const;

/** Returns how many more files this process may open; `Infinity` if that is unknown. */
export function spareFiles(): number {
  if (Deno.build.os !== "linux" || !ALL.every((name) => isGranted({ name }))) return Infinity;
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const limit = Number(/^Max open files +([0-9]+)/m.exec(limits)?.[1] ?? Infinity);
    // Listing the open files takes longer, and hardly any process comes near a high limit.
    return limit > 512 ? limit : limit - Deno.readDirSync("/proc/self/fd").toArray().length;
  } catch {
    // Some sandboxes have no /proc.
    return Infinity;
  }
}
