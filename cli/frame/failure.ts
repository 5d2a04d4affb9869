import { NetworkError, RegistryError } from "../../registry/errors.ts";
import { isDigest } from "../../spec/digest.ts";
import { errorCode, isExplained } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { RuntimeError } from "../../store/errors.ts";
import { describeFailedCall, missingPermission } from "../../store/host/system_error.ts";
import { hidePasswords, printable } from "../terminal/format.ts";
import type { Command } from "./command.ts";
import { ownOperands } from "./command_line.ts";
import { CommandError, type CommandErrorCode, UsageError } from "./errors.ts";
import { InterruptedError } from "./interruption.ts";
import { type LibraryError, remedyFor } from "./remedies.ts";

export interface FailedCommand {
  /** Action of the command, such as `pull alpine:3`. */
  readonly action: string;
  /** The command, once it is known. */
  readonly command: Command | undefined;
  /** Operands of the command, once they are known. */
  readonly operands?: readonly string[] | undefined;
}

/** An error in terms of the command line. */
interface Explanation {
  readonly code: CommandErrorCode;
  /** What went wrong, without the action of the command. */
  readonly state: string;
  readonly remedy: string;
}

/** Returns the original error if cleaning up after it has failed as well. */
export function firstError(error: unknown): unknown {
  return error instanceof SuppressedError ? firstError(error.suppressed) : error;
}

/** Formats an error as one line: `oci: <action>: <cause>. <Remedy>`. */
export function errorLine(error: unknown, failed: FailedCommand): string {
  const { state, remedy } = explain(error, failed);
  return printable(hidePasswords(`oci: ${failed.action}: ${state}. ${remedy}`));
}

/**
 * Returns the JSON form of an error: its name, code, message and fields, and the remedy in terms of
 * the command line.
 */
export function errorDocument(
  error: unknown,
  failed: FailedCommand,
): { readonly error: Readonly<Record<string, unknown>> } {
  const { code, state, remedy } = explain(error, failed);
  const fields = error instanceof OciError
    ? error.toJSON()
    : error instanceof Error
    ? ownFields(error, code, state)
    : { name: "Error", code, message: String(error), problem: state };
  // A reference that the user typed may contain a password.
  const json = JSON.stringify({ error: { ...fields, remedy } });
  return JSON.parse(json, (_, value) => typeof value === "string" ? hidePasswords(value) : value);
}

function ownFields(
  error: Error,
  code: CommandErrorCode,
  problem: string,
): Record<string, unknown> {
  const { name, message } = error;
  if (error instanceof CommandError || isExplained(error)) {
    return { name, code, message, ...Object.fromEntries(Object.entries(error)) };
  }
  // The code of the operating system, such as ENOENT.
  const errno = code === "system" ? errnoOf(error) : undefined;
  return { name, code, message, problem, errno };
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof InterruptedError || error instanceof RuntimeError) return error.exitCode;
  return error instanceof UsageError ? 2 : 1;
}

/** Formats the causes of an error, one per line, the nearest first. */
export function causeLines(error: unknown): readonly string[] {
  const found = new Set<unknown>([error]);
  // The loop also visits the causes that it adds.
  for (const one of found) {
    for (const cause of causesOf(one)) found.add(cause);
  }
  const [, ...causes] = found;
  return causes.map((cause) => {
    const text = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
    return printable(hidePasswords(`  caused by: ${text}`));
  });
}

function causesOf(error: unknown): readonly unknown[] {
  if (!(error instanceof Error)) return [];
  const several = error instanceof AggregateError ? error.errors : [];
  return error.cause === undefined ? several : [...several, error.cause];
}

const UNKNOWN = "Show the cause with --verbose";
const UNEXPECTED = "Report it if this should work";

/** Remedy on a file system without symlinks, hard links or device nodes, such as FAT. */
const OTHER_FILE_SYSTEM = "Choose a directory on another file system";

/** Remedies for errors of the operating system, by code. */
const SYSTEM_REMEDIES: Readonly<Record<string, string>> = {
  EACCES: "Check its owner and mode, and those of its directory",
  EDQUOT: "Free some space",
  EMFILE: 'Raise the limit of open files with "ulimit -n 4096"',
  ENFILE: "Close other programs; the system allows no more open files",
  EISDIR: "Specify a file, not a directory",
  ENOENT: "Check that the path exists",
  ENOSYS: OTHER_FILE_SYSTEM,
  EOPNOTSUPP: OTHER_FILE_SYSTEM,
  ENOSPC: 'Free some space; if enough is free, free inodes, which "df -i" shows',
  ENOTDIR: "Check the path: one of its ancestors is a file",
  EPERM: "Check its owner and mode",
  EROFS: "Choose a writable place; for the store, use --store",
};

/** An archive on stdin or stdout. */
const PIPE = /^(?:(?:oci|docker)-archive:)?-(?::|$)/;

/** Remedy if the file with credentials is on a read-only file system. */
const READ_ONLY_LOGIN = "Choose a writable file with --authfile";

/** Returns the cause of an error, and the remedy in terms of the command line. */
function explain(error: unknown, { action, command, operands = [] }: FailedCommand): Explanation {
  if (!(error instanceof Error)) {
    return { code: "unexpected", state: String(error), remedy: UNEXPECTED };
  }
  if (error instanceof CommandError) {
    return { code: error.code, state: error.problem, remedy: error.remedy };
  }
  if (error instanceof InterruptedError) {
    // Commands that transfer layers have one of these options. Stdin has to be sent again in full.
    const isResumed = (command?.has("--jobs") || command?.has("--limit")) &&
      !operands.some((operand) => PIPE.test(operand));
    const remedy = `Run the same command again${isResumed ? " to resume" : ""}`;
    return { code: "interrupted", state: error.problem, remedy };
  }
  if (isExplained(error)) {
    const { code } = error;
    const remedy = remedyFor(error, command, operands) ?? generalRemedy(error, command);
    return { code, state: stateOf(error, action), remedy };
  }
  if (error instanceof Deno.errors.NotCapable) {
    const { problem, flag } = missingPermission(error);
    // The action may name one of several operands only, such as the source of a push.
    const words = command === undefined || operands.length === 0
      ? action
      : [command.name.replace("oci ", ""), ...ownOperands(command, operands)].join(" ");
    const all = `"oci permissions ${words}"`;
    const remedy = flag === undefined
      ? `Print the permissions that it needs with ${all}`
      : `Grant ${flag}, or all that it needs: ${all} prints it`;
    return { code: "permission", state: problem, remedy };
  }
  const code = errnoOf(error) === undefined ? "unexpected" : "system";
  const state = describeFailedCall(error) ?? (error.message || error.name);
  return { code, state, remedy: generalRemedy(error, command) };
}

/** Codes of errors about missing content, whose problem is clear without the library's action. */
const STORE_CODES: ReadonlySet<CommandErrorCode> = new Set(["not-cached", "not-in-store"]);

/**
 * Returns the problem, preceded by the library's action if that adds to the command's. The subject
 * of a failed request is a name or a digest; a name that the command's action contains is not
 * repeated.
 */
function stateOf(error: LibraryError, commandAction: string): string {
  const { action, subject, problem } = error;
  if (action === undefined || STORE_CODES.has(error.code)) return problem;
  if (error instanceof RuntimeError && isPrinted(error)) {
    return `cannot ${action}: ${runtimeName(error)} printed the error above`;
  }
  const isRequest = error instanceof RegistryError || error instanceof NetworkError;
  if (!isRequest || subject === undefined || isDigest(subject)) {
    return `cannot ${action}: ${problem}`;
  }
  return commandAction.includes(subject) ? problem : `"${subject}": ${problem}`;
}

function runtimeName({ runtime }: RuntimeError): string {
  return runtime.slice(runtime.lastIndexOf("/") + 1);
}

/** Whether a runtime has printed its error, because it shares the container's stderr. */
function isPrinted({ code, option, details }: RuntimeError): boolean {
  // A problem of the runtime itself has other words than the runtime's.
  return code === "container-start" && option !== "runtime" && details.length > 0;
}

/** Returns the remedy for an error without a specific one. */
function generalRemedy(error: Error, command: Command | undefined): string {
  const errno = errnoOf(error) ?? errnoOf(error.cause);
  if (errno === "EROFS" && command?.traits.has("writes-credentials")) return READ_ONLY_LOGIN;
  const bySystem = errno === undefined ? undefined : SYSTEM_REMEDIES[errno];
  return bySystem ?? (causesOf(error).length > 0 ? UNKNOWN : UNEXPECTED);
}

/** Deno's error classes that the library throws without a code of the operating system. */
const SYSTEM_ERRORS = [
  [Deno.errors.NotFound, "ENOENT"],
  [Deno.errors.IsADirectory, "EISDIR"],
  [Deno.errors.NotADirectory, "ENOTDIR"],
  [Deno.errors.PermissionDenied, "EACCES"],
] as const;

/** Returns the code of an error of the operating system, such as `ENOENT`. */
function errnoOf(error: unknown): string | undefined {
  if (isExplained(error)) return undefined;
  return errorCode(error) ??
    SYSTEM_ERRORS.find(([ErrorClass]) => error instanceof ErrorClass)?.[1];
}
