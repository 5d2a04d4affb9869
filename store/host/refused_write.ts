/** Whether an error says that nothing may be written somewhere, by whoever this process is. */
export function isRefusedWrite(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || (error as { code?: unknown }).code === "EROFS";
}
