import { explainedError } from "../error_facts.ts";
import { present } from "../json.ts";
import type { ConsoleSize, Rlimit } from "../runtime/runtime_process.ts";
import type { SpecOption } from "../runtime/spec_option.ts";
import { checkAbsolute } from "./filesystem_options.ts";

/**
 * Sets the program and its arguments, and ignores those of the image.
 *
 * @param args The program and its arguments.
 * @returns The option.
 *
 * @example Run another program
 * ```ts
 * import { newSpec, withArgs } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withArgs(["/bin/true"])).process.args, ["/bin/true"]);
 * ```
 */
export function withArgs(args: readonly string[]): SpecOption {
  return (spec) => ({ ...spec, process: { ...spec.process, args } });
}

/**
 * Sets the arguments of the image's entry point, or the command if there is no entry point, like
 * the arguments after the image in `docker run`.
 *
 * @param command Replacement for the image's `Cmd`.
 * @returns The option.
 *
 * @example Pass other arguments to the entrypoint of an image
 * ```ts
 * import { newSpec, withCommand, withImageConfig } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const image = {
 *   platform: { os: "linux", architecture: "amd64" },
 *   config: { Entrypoint: ["/bin/echo"], Cmd: ["hello"] },
 *   diffIds: [],
 *   history: [],
 * };
 * const { process } = newSpec(withImageConfig(image), withCommand(["bye"]));
 *
 * assertEquals(process.args, ["/bin/echo", "bye"]);
 * ```
 */
export function withCommand(command: readonly string[]): SpecOption {
  return (spec) => withArgs([...spec.pending.entrypoint, ...command])(spec);
}

/**
 * Sets the entry point and drops the image's `Cmd`, like `--entrypoint` of Docker. An empty entry
 * point drops that of the image.
 *
 * @param entrypoint The entry point.
 * @returns The option.
 *
 * @example Replace the entrypoint of an image
 * ```ts
 * import { newSpec, withCommand, withEntrypoint, withImageConfig } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const image = {
 *   platform: { os: "linux", architecture: "amd64" },
 *   config: { Entrypoint: ["/bin/app"], Cmd: ["serve"] },
 *   diffIds: [],
 *   history: [],
 * };
 * const { process } = newSpec(
 *   withImageConfig(image),
 *   withEntrypoint(["/bin/sh", "-c"]),
 *   withCommand(["ls /"]),
 * );
 *
 * assertEquals(process.args, ["/bin/sh", "-c", "ls /"]);
 * ```
 */
export function withEntrypoint(entrypoint: readonly string[]): SpecOption {
  return (spec) => withArgs(entrypoint)({ ...spec, pending: { ...spec.pending, entrypoint } });
}

/**
 * Sets the working directory. Runtimes create it if it is missing.
 *
 * @param cwd An absolute path in the container.
 * @returns The option.
 * @throws {TypeError} If the path is not absolute.
 *
 * @example Run a program in another directory
 * ```ts
 * import { newSpec, withCwd } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withCwd("/tmp")).process.cwd, "/tmp");
 * ```
 */
export function withCwd(cwd: string): SpecOption {
  checkAbsolute(cwd, "work in", "cwd");
  return (spec) => ({ ...spec, process: { ...spec.process, cwd } });
}

/**
 * Attaches a terminal to the program, and sets `TERM` unless it is set.
 *
 * @param size The size of the terminal in characters.
 * @returns The option.
 *
 * @example Attach a terminal
 * ```ts
 * import { newSpec, withTerminal } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withTerminal()).process.terminal, true);
 * ```
 */
export function withTerminal(size?: ConsoleSize): SpecOption {
  const terminal = present({ terminal: true, consoleSize: size });
  return (spec) => ({ ...spec, process: { ...spec.process, ...terminal } });
}

/**
 * Sets whether programs are kept from gaining privileges, for example through `sudo`.
 *
 * @param noNewPrivileges Whether they are; `true` by default.
 * @returns The option.
 *
 * @example Let a program use sudo
 * ```ts
 * import { newSpec, withNoNewPrivileges } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(newSpec(withNoNewPrivileges(false)).process.noNewPrivileges, false);
 * ```
 */
export function withNoNewPrivileges(noNewPrivileges = true): SpecOption {
  return (spec) => ({ ...spec, process: { ...spec.process, noNewPrivileges } });
}

/** Names of the limits of setrlimit(2). */
const RLIMITS: ReadonlySet<string> = new Set([
  ...["AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE", "NICE", "NOFILE"],
  ...["NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK"],
].map((name) => `RLIMIT_${name}`));

/**
 * Sets limits of setrlimit(2), and keeps the others.
 *
 * @param limits The limits, such as `{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }`.
 * @returns The option.
 * @throws {RangeError} If a name is unknown or occurs twice, a limit is not a non-negative integer, or a
 *   soft limit exceeds the hard limit.
 *
 * @example Let a program open more files
 * ```ts
 * import { newSpec, withRlimits } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const limit = { type: "RLIMIT_NOFILE", soft: 4096, hard: 4096 };
 *
 * assertEquals(newSpec(withRlimits([limit])).process.rlimits, [limit]);
 * ```
 */
export function withRlimits(limits: readonly Rlimit[]): SpecOption {
  const types = new Set<string>();
  for (const { type, soft, hard } of limits) {
    const isNew = RLIMITS.has(type) && !types.has(type);
    const counts = [soft, hard].every((value) => Number.isSafeInteger(value) && value >= 0);
    if (!isNew || !counts || soft > hard) {
      throw explainedError(RangeError, {
        code: "invalid-argument",
        action: `set limit ${JSON.stringify(type)} to ${soft}:${hard}`,
        problem:
          'the name must be like "RLIMIT_NOFILE" and occur once, and the soft limit must be a ' +
          "whole number >= 0 that is not above the hard one",
        option: "limits",
      });
    }
    types.add(type);
  }
  return (spec) => {
    const others = (spec.process.rlimits ?? []).filter(({ type }) => !types.has(type));
    return { ...spec, process: { ...spec.process, rlimits: [...others, ...limits] } };
  };
}
