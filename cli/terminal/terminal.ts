/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What terminals have always had, for one that does not say. */
const USUAL: TerminalSize = { columns: 80, rows: 24 };

/** The size of the terminal; a serial line, or the terminal of a script, may know none. */
export function terminalSize(): TerminalSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : USUAL;
  } catch {
    // No terminal at all.
    return USUAL;
  }
}

/** The variable `TERM`, if it may be read: without the permission, a terminal is a terminal. */
export function terminalKind(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TERM" });
  return state === "granted" ? Deno.env.get("TERM") : undefined;
}
