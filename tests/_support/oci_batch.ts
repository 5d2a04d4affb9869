import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT, runOci, type RunOciOptions } from "./process.ts";

/** Output of one command line of a batch. */
export interface BatchResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Options for a batch, and the resources that it needs until it has ended. */
export interface BatchScene extends RunOciOptions, AsyncDisposable {
  /** Replaces placeholders in a word of a command line. */
  readonly word?: (word: string) => string;
}

/**
 * Runs command lines one after another in one process, which takes a fraction of the time of a
 * process for each.
 *
 * For commands that read no stdin, write text and leave the process as it was.
 *
 * @returns The results, in order.
 */
export async function runOciBatch(
  commandLines: readonly (readonly string[])[],
  options: RunOciOptions = {},
): Promise<readonly BatchResult[]> {
  const module = join(ROOT, "tests/_support/oci_batch_main.ts");
  const { code, stdout, stderr } = await runOci([JSON.stringify(commandLines)], {
    ...options,
    module,
  });
  const [outputs, errors] = [stdout.split("\0"), stderr.split("\0")];
  if (code !== 0 || outputs.length !== commandLines.length + 1) {
    throw new Error(`Cannot run the batch: it exited with ${code}\n${stderr}`);
  }
  return commandLines.map((_, i) => ({
    stdout: outputs[i] ?? "",
    stderr: errors[2 * i] ?? "",
    code: Number(errors[2 * i + 1]),
  }));
}

/**
 * Runs the command lines of a table as {@linkcode runOciBatch} does, in the first call of the
 * returned function.
 *
 * @param options Options, or a function that opens the scene of the batch.
 * @returns The function that returns the result of one of the command lines.
 */
export function ociBatch(
  rows: readonly { readonly args: readonly string[] }[],
  options: RunOciOptions | (() => Promise<BatchScene>) = {},
): (args: readonly string[]) => Promise<BatchResult> {
  const runAll = async () => {
    await using resources = new AsyncDisposableStack();
    const scene: RunOciOptions & Partial<BatchScene> = typeof options === "function"
      ? resources.use(await options())
      : options;
    const { word = (word) => word } = scene;
    const results = await runOciBatch(rows.map(({ args }) => args.map(word)), scene);
    return new Map(rows.map(({ args }, i) => [JSON.stringify(args), results[i]]));
  };
  let results: ReturnType<typeof runAll> | undefined;
  return async (args) => {
    results ??= runAll();
    const result = (await results).get(JSON.stringify(args));
    if (result === undefined) throw new RangeError(`The batch does not contain "${args}"`);
    return result;
  };
}

/**
 * Asks `oci permissions` about command lines as {@linkcode ociBatch} does.
 *
 * @returns The function that returns the flags for one of the command lines.
 */
export function ociPermissions(
  commandLines: readonly (readonly string[])[],
  options: RunOciOptions = {},
): (args: readonly string[]) => Promise<readonly string[]> {
  const question = (args: readonly string[]) => ["permissions", "--json", ...args];
  const batch = ociBatch(commandLines.map((args) => ({ args: question(args) })), options);
  return async (args) => {
    const { code, stdout, stderr } = await batch(question(args));
    assertEquals({ args, code, stderr }, { args, code: 0, stderr: "" });
    return JSON.parse(stdout).flags;
  };
}
