import { OciError } from "../spec/mod.ts";
import { printable } from "./_format.ts";

/** The command line itself is wrong. The message says what is, and what to do. */
export class UsageError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "UsageError";
  }
}

/** The library's options as its errors name them, and what the command line calls them. */
const FLAGS: Readonly<Record<string, string>> = {
  platform: "--platform",
  pullPolicy: "--policy",
  caCerts: "--ca",
  auth: "--user",
  plainHttp: "--plain-http",
  mirrors: "--mirror",
  retries: "--retries",
};

/**
 * One line for an error: `oci: <what was being done>: <what is wrong>; <what to do>`.
 *
 * @param error What was thrown.
 * @param doing What was being done, such as `pull alpine:3`.
 */
export function errorLine(error: unknown, doing: string): string {
  const { what, hint } = explain(error);
  const [wrong, advice] = splitAdvice(what);
  const flagged = (advice ?? hint).replaceAll(/"([A-Za-z]+)"/g, (quoted, name: string) => {
    return FLAGS[name] ?? quoted;
  });
  return printable(`oci: ${doing}: ${wrong.replace(/^Cannot /, "cannot ")}; ${flagged}`);
}

/** The error as `--json` prints it. */
export function errorDocument(error: unknown): Record<string, unknown> {
  const fields = error instanceof OciError
    ? error.toJSON()
    : error instanceof Error
    ? { name: error.name, message: error.message }
    : { name: "Error", message: String(error) };
  return { error: fields };
}

/** A line for each cause of an error, the nearest first. */
export function causeLines(error: unknown): readonly string[] {
  const lines: string[] = [];
  const seen = new Set<unknown>([error]);
  let cause = causesOf(error);
  while (cause.length > 0) {
    const next: unknown[] = [];
    for (const one of cause) {
      if (seen.has(one)) continue;
      seen.add(one);
      const text = one instanceof Error ? `${one.name}: ${one.message}` : String(one);
      lines.push(printable(`  caused by: ${text}`));
      next.push(...causesOf(one));
    }
    cause = next;
  }
  return lines;
}

function causesOf(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [];
  const several = error instanceof AggregateError ? error.errors : [];
  return error.cause === undefined ? several : [...several, error.cause];
}

/** The message of an error, and what to do where the message does not say so itself. */
function explain(error: unknown): { readonly what: string; readonly hint: string } {
  if (!(error instanceof Error)) {
    return { what: String(error), hint: "see what caused it with --verbose" };
  }
  if (error instanceof Deno.errors.NotCapable) {
    const what = error.message.replace(
      /, run again with the (--[a-z-]+) flag.*$/s,
      "; grant it with $1",
    );
    return { what, hint: 'grant what "oci permissions" prints' };
  }
  if (error instanceof Deno.errors.NotFound) {
    return { what: error.message, hint: "check that the path exists" };
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return { what: error.message, hint: "check who owns it and its mode" };
  }
  if (error instanceof UsageError) return { what: error.message, hint: "see --help" };
  if (error.name === "DigestMismatchError") {
    return { what: error.message, hint: "nothing of it was kept; ask again, or another mirror" };
  }
  return { what: error.message || error.name, hint: "see what caused it with --verbose" };
}

/** Splits "what is wrong; what to do" at the last semicolon that stands outside quotes. */
function splitAdvice(message: string): readonly [string, string?] {
  let quoted = false;
  let at = -1;
  for (let i = 0; i < message.length; i++) {
    if (message[i] === '"') quoted = !quoted;
    if (!quoted && message.startsWith("; ", i)) at = i;
  }
  return at < 0 ? [message] : [message.slice(0, at), message.slice(at + 2)];
}
