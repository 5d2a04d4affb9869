/** The size of a terminal in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Default size of a terminal. */
const USUAL: TerminalSize = { columns: 80, rows: 24 };

/** Returns the size of the terminal; serial lines and scripted terminals may have none. */
export function terminalSize(): TerminalSize {
  try {
    const { columns, rows } = Deno.consoleSize();
    return columns > 0 && rows > 0 ? { columns, rows } : USUAL;
  } catch {
    // Not a terminal.
    return USUAL;
  }
}

/** Returns the variable `TERM`, if the permission to read it is granted. */
export function terminalKind(): string | undefined {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TERM" });
  return state === "granted" ? Deno.env.get("TERM") : undefined;
}
