/** Returns whether an error means that this process may not write to a location. */
export function isRefusedWrite(error: unknown): boolean {
  return error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable || (error as { code?: unknown }).code === "EROFS";
}
