import { RuntimeError } from "../store/runtime_error.ts";
import type { Command } from "./_command.ts";
import { HelpRequest, parseCommandLine } from "./_command_line.ts";
import { COMMANDS, splitArguments } from "./_commands.ts";
import { causeLines, errorDocument, errorLine, UsageError } from "./_errors.ts";
import { InterruptedError, Interruption } from "./_interruption.ts";
import { Notices } from "./_notices.ts";
import { Output, OutputClosedError } from "./_output.ts";
import { declareCommand, declareProgram, refuseCommand } from "./_program.ts";
import { Session } from "./_session.ts";

/**
 * Runs the command line. Only the module of the command that runs is loaded.
 *
 * @param args What follows the program's name, such as `["pull", "alpine:3.20"]`.
 * @returns The exit code: 0 done, 1 failed, 2 misused, 128 and the signal's number if
 * interrupted, 126 or 127 if a container's command cannot be executed or is not found.
 */
export async function main(args: readonly string[]): Promise<number> {
  using interruption = new Interruption();
  using notices = new Notices();
  const output = new Output();
  const { signal } = interruption;
  // The cursor comes back at once, even if what was interrupted takes its time to stop.
  signal.addEventListener("abort", () => notices[Symbol.dispose]());
  const run: Run = { args, output, notices, signal, doing: "read the command line" };
  try {
    const exitCode = await dispatch(run);
    return signal.reason instanceof InterruptedError ? signal.reason.exitCode : exitCode;
  } catch (error) {
    return await fail(run, error);
  }
}

/** What {@linkcode main} knows while a command runs. */
interface Run {
  readonly args: readonly string[];
  readonly output: Output;
  readonly notices: Notices;
  readonly signal: AbortSignal;
  session?: Session;
  doing: string;
}

async function dispatch(run: Run): Promise<number> {
  const { output, notices, signal } = run;
  const { name, rest } = splitArguments(inFull(run.args));
  const entry = name === undefined ? undefined : COMMANDS.get(name);
  if (name === undefined || entry === undefined) return await withoutCommand(run, name, rest);
  run.doing = name;
  const module = await entry.load();
  const commandLine = parseCommandLine(declareCommand(name, module), rest);
  run.session = new Session({ name, commandLine, output, notices, signal });
  return await module.run(run.session) ?? 0;
}

/** `help pull` is `pull --help`, and `--version` without a command is `version`. */
function inFull(args: readonly string[]): readonly string[] {
  const { name, rest } = splitArguments(args);
  if (name === "help") return [...rest, "--help"];
  const version = rest.indexOf("--version");
  return name === undefined && version >= 0 ? ["version", ...rest.toSpliced(version, 1)] : args;
}

async function withoutCommand(
  { notices }: Run,
  name: string | undefined,
  rest: readonly string[],
): Promise<number> {
  // "help help" is "help --help" by now, and that is the help of the program.
  if (name !== undefined && name !== "help") refuseCommand(name);
  const program = declareProgram();
  parseCommandLine(program, rest);
  // Not what was asked for, so not a result: help goes where errors go.
  notices.line(await helpText(program));
  return 2;
}

/** Says what went wrong, and returns the exit code for it. */
async function fail(run: Run, error: unknown): Promise<number> {
  const { args, output, notices, signal, session } = run;
  if (error instanceof OutputClosedError) return 0;
  if (error instanceof HelpRequest) return await help(output, error.command);
  // Whatever failed after the user interrupted, failed because of that.
  const thrown = signal.aborted ? signal.reason : error;
  notices.line(errorLine(thrown, session?.doing ?? run.doing));
  const { verbose, json = args.includes("--json") } = session?.options() ?? {};
  if (verbose) {
    for (const line of causeLines(thrown)) notices.line(line);
  }
  if (json) await quietly(output.json(errorDocument(thrown)));
  if (thrown instanceof InterruptedError || thrown instanceof RuntimeError) return thrown.exitCode;
  return error instanceof UsageError ? 2 : 1;
}

async function help(output: Output, command: Command): Promise<number> {
  await quietly(output.text(await helpText(command)));
  return 0;
}

async function helpText(command: Command): Promise<string> {
  const { formatHelp } = await import("./_help.ts");
  return formatHelp(command);
}

/** Waits for a last message; a reader that has gone already cannot be told anything. */
async function quietly(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (error) {
    if (!(error instanceof OutputClosedError)) throw error;
  }
}
