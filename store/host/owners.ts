/** Whether `Deno.uid()` may be called. A prompt in the middle of reading a file helps nobody. */
let mayAsk = false;

/** The user of this process; `undefined` where that cannot be told or may not be asked. */
export function processUid(): number | undefined {
  mayAsk ||= Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted";
  return mayAsk ? Deno.uid() ?? undefined : undefined;
}

/**
 * Whether a file can only have been made by this user or by root. Without `--allow-sys=uid`, and on
 * Windows, every owner passes: the owner of the store's directory then stands for the user.
 */
export function isTrustedOwner(uid: number | null): boolean {
  const own = processUid();
  return uid === null || own === undefined || uid === own || uid === 0;
}
