/** The variable `TERM`, if it may be read: without the permission, a terminal is a terminal. */
export function terminalKind(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TERM" });
  return state === "granted" ? Deno.env.get("TERM") : undefined;
}
