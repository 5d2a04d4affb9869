import { abortable } from "../registry/tasks/abortable.ts";
import { COMMANDS } from "./commands.ts";
import type { Command } from "./frame/command.ts";
import { HelpRequest, ownOperands, parseCommandLine, withoutValue } from "./frame/command_line.ts";
import { UsageError } from "./frame/errors.ts";
import { InterruptedError, Interruption } from "./frame/interruption.ts";
import type { CommonOptions, RegistryOptions } from "./frame/options.ts";
import {
  declareCommand,
  declareProgram,
  parseArguments,
  type SplitArguments,
  splitArguments,
} from "./frame/program.ts";
import { Session } from "./frame/session.ts";
import { Notices } from "./terminal/notices.ts";
import { Output, OutputClosedError } from "./terminal/output.ts";

/**
 * Runs the command line. Only the module of the command that runs is loaded.
 *
 * @param args Arguments after the program's name, such as `["pull", "alpine:3.20"]`.
 * @returns The exit code: 0 for success, 1 for failure, 2 for misuse, 128 plus the signal's number
 * if interrupted, 126 or 127 if a container's command cannot be executed or is not found.
 */
export async function main(args: readonly string[]): Promise<number> {
  using interruption = new Interruption();
  using notices = new Notices();
  const { signal } = interruption;
  const output = new Output({
    signal,
    before: () => {
      // Keep progress out of a result on the same terminal.
      if (Deno.stdout.isTerminal()) notices.status([]);
      return notices.flush();
    },
  });
  const run: Run = { args, output, notices, interruption, action: "read the command line" };
  const exitCode = await runToEnd(run);
  // A stalled reader of stderr must not keep an interrupted command alive.
  const patience = signal.aborted ? AbortSignal.timeout(LAST_WRITE_MS) : signal;
  await abortable(notices.flush() ?? Promise.resolve(), patience).catch(() => {});
  return exitCode;
}

async function runToEnd(run: Run): Promise<number> {
  const { signal } = run.interruption;
  try {
    // Disposed of before an error is reported.
    using _notice = noticeCleanup(run);
    const exitCode = await dispatch(run);
    return signal.reason instanceof InterruptedError ? signal.reason.exitCode : exitCode;
  } catch (error) {
    return await fail(run, error);
  }
}

/** Time to wait for the last output to be read after an interruption. */
const LAST_WRITE_MS = 200;

/** Time that an interrupted command may take to clean up before a notice appears. */
const CLEANUP_NOTICE_MS = 800;

/** Shows a notice if an interrupted command takes long to clean up. */
function noticeCleanup(run: Run): Disposable {
  const { interruption: { signal }, notices } = run;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const abort = () => {
    // Show the cursor at once, even if the command takes time to stop.
    notices[Symbol.dispose]();
    timer = setTimeout(() => {
      const state = "interrupted, cleaning up; interrupt again to exit at once";
      notices.report("note", `${run.session?.action ?? run.action}: ${state}`);
    }, CLEANUP_NOTICE_MS);
  };
  signal.addEventListener("abort", abort, { once: true });
  return {
    [Symbol.dispose]: () => {
      signal.removeEventListener("abort", abort);
      // The first call loads Node's timers, which takes longer than most commands.
      if (timer !== undefined) clearTimeout(timer);
    },
  };
}

/** One run of {@linkcode main}. */
interface Run {
  readonly args: readonly string[];
  readonly output: Output;
  readonly notices: Notices;
  readonly interruption: Interruption;
  /** The command, once it is known. */
  command?: Command;
  session?: Session;
  action: string;
}

async function dispatch(run: Run): Promise<number> {
  const { output, notices, interruption } = run;
  const args = run.args.some(isLossy)
    ? await (await import("./frame/raw_arguments.ts")).rawArguments(run.args)
    : run.args;
  const split = await expandShorthand(await splitArguments(args, COMMANDS));
  const { name, rest } = split;
  const entry = name === undefined ? undefined : COMMANDS.get(name);
  if (name === undefined || entry === undefined) return await runWithoutCommand(run, split);
  run.action = name;
  const module = await entry.load();
  const command = run.command = declareCommand(name, module, COMMANDS);
  const commandLine = await parseArguments(command, rest);
  using session = new Session({ name, command, commandLine, output, notices, interruption });
  run.session = session;
  if (imageOperands(command, session.operands).some(isShort)) await findAliases(session);
  return await module.run(session, COMMANDS) ?? 0;
}

/** Returns the operands that may name images, and not paths or the command line of a container. */
function imageOperands(command: Command, operands: readonly string[]): readonly string[] {
  return ownOperands(command, operands).filter((_, index) => {
    const { name = "" } = command.arguments[index] ?? command.arguments.at(-1) ?? {};
    return !/^(dir|file|path)$/.test(name);
  });
}

/** Returns whether an operand may be a name without a registry. */
function isShort(operand: string): boolean {
  return /^(?!localhost\/)[a-z0-9][a-z0-9_-]*(?:\/|[.:@][^/]*$|$)/.test(operand);
}

/** Resolves short names in the command line that are aliases. */
async function findAliases(session: Session): Promise<void> {
  const { useAliases } = await load<typeof import("./access/registries.ts")>(
    "./access/registries.ts",
  );
  await useAliases(session);
}

/** Loads a module that few runs need. Its specifier is computed, like those of the commands. */
async function load<T>(path: string): Promise<T> {
  return await import(new URL(path, import.meta.url).href);
}

/** Whether Deno may have replaced bytes of an argument that are not UTF-8. */
function isLossy(arg: string): boolean {
  return arg.includes("\ufffd");
}

/** Treats `help pull` as `pull --help`, and `--version` without a command as `version`. */
async function expandShorthand(split: SplitArguments): Promise<SplitArguments> {
  const { name, rest } = split;
  if (name === "help") return await splitArguments([...rest, "--help"], COMMANDS);
  const version = rest.indexOf("--version");
  if (name !== undefined || version < 0) return split;
  return { name: "version", rest: rest.toSpliced(version, 1) };
}

async function runWithoutCommand(
  { notices }: Run,
  { name, rest, unknown }: SplitArguments,
): Promise<number> {
  // "help help" was expanded to "help --help", which shows the help of the program.
  if (name !== undefined && name !== "help") {
    // The word may be the value of the option.
    if (unknown !== undefined) {
      throw new UsageError(`unknown option "${withoutValue(unknown)}"`, 'See "oci --help"');
    }
    const { refuseCommand } = await load<typeof import("./frame/unknown_command.ts")>(
      "./frame/unknown_command.ts",
    );
    refuseCommand(name, COMMANDS, rest);
  }
  const program = declareProgram(COMMANDS);
  const { json } = parseCommandLine(program, rest).options;
  if (json) throw new UsageError("the command is missing", 'See "oci --help"');
  // Without a command, the help is an error message rather than a result.
  notices.text(`${await helpText(program)}\n`);
  return 2;
}

/** Reports an error, and returns its exit code. */
async function fail(run: Run, error: unknown): Promise<number> {
  const { args, notices, interruption: { signal }, session } = run;
  if (error instanceof OutputClosedError) return 0;
  if (error instanceof HelpRequest) return await help(run, error.command);
  const failure = await import("./frame/failure.ts");
  const { causeLines, errorDocument, errorLine, exitCodeOf, firstError } = failure;
  // An error after the interruption is a consequence of it.
  const thrown = signal.aborted ? signal.reason : firstError(error);
  const { command } = run;
  const failed = { action: session?.action ?? run.action, command, operands: session?.operands };
  const { verbose, json, progress } = session?.options<RegistryOptions>() ?? unparsedOptions(args);
  if (progress === "json") notices.useJson();
  const document = errorDocument(thrown, failed);
  if (notices.isJson) notices.event("error", document.error);
  else notices.message(errorLine(thrown, failed));
  if (verbose) {
    for (const line of causeLines(thrown)) notices.message(line);
  }
  // If stdout cannot be written to, the line on stderr is enough.
  const { partial } = session ?? {};
  if (json) await errorOutput(run).json({ ...document, partial }).catch(() => {});
  return exitCodeOf(thrown);
}

/** Returns the output for an error document; the usual one ends with an interruption. */
function errorOutput({ output, interruption: { signal } }: Run): Output {
  return signal.aborted ? new Output({ signal: AbortSignal.timeout(LAST_WRITE_MS) }) : output;
}

/** Returns the options that decide how to report that the command line is invalid. */
function unparsedOptions(
  args: readonly string[],
): CommonOptions & Pick<RegistryOptions, "progress"> {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  const isNdjson = /(^| )--progress[ =]json( |$)/.test(own.join(" "));
  return {
    json: own.includes("--json") ? true : undefined,
    progress: isNdjson ? "json" : undefined,
  };
}

async function help(run: Run, command: Command): Promise<number> {
  try {
    await run.output.text(await helpText(command));
    return 0;
  } catch (error) {
    return await fail({ ...run, action: "help" }, error);
  }
}

async function helpText(command: Command): Promise<string> {
  const { formatHelp } = await import("./frame/help.ts");
  return formatHelp(command);
}
