/**
 * Runs the tests for `deno task test`, and prints the reasons for skipped tests in one line at the
 * end. Arguments go to `deno test`: `deno task test tests/layer --filter whiteout`.
 *
 * @module
 */
import { join } from "@std/path";
import { writeAll } from "./_support/bytes.ts";
import { findDenoDir, kill } from "./_support/process.ts";
import { groupTests } from "./_support/test_groups.ts";
import { formatSkipped, skippedTests } from "./_support/test_report.ts";

/** The longest time without any output. A test that takes longer hangs. */
const SILENCE_MS = Number(Deno.env.get("OCI_TEST_SILENCE_MS") ?? 5 * 60_000);
/** Maximum time in which `deno test` lists the pending tests. */
const GRACE_MS = 10_000;

async function runTests(args: readonly string[]): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "oci-tests-" });
  try {
    const report = join(directory, "report.xml");
    const chosen = args.length > 0 ? args : await groupTests(directory);
    const code = await runDenoTest([`--junit-path=${report}`, ...chosen]);
    // A run that was interrupted leaves no report.
    const junit = await Deno.readTextFile(report).catch(() => undefined);
    if (junit !== undefined) await writeAll(Deno.stdout, `${formatSkipped(skippedTests(junit))}\n`);
    return code;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function runDenoTest(args: readonly string[]): Promise<number> {
  const isColored = Deno.stdout.isTerminal() && !Deno.noColor;
  const DENO_DIR = await findDenoDir();
  const child = new Deno.Command(Deno.execPath(), {
    // `deno task check` checks the types, those of the examples included. Here it would take as
    // long as a tenth of the tests.
    args: ["test", "-A", "--no-check", "--parallel", ...args],
    stdout: "piped",
    stderr: "piped",
    env: isColored ? { DENO_DIR, FORCE_COLOR: "1" } : { DENO_DIR },
  }).spawn();
  // A terminal sends Ctrl-C to the child as well, which then lists its pending tests.
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  let hangs = false;
  const watchdog = new Watchdog(() => {
    hangs = true;
    const minutes = SILENCE_MS / 60_000;
    void writeAll(Deno.stderr, `\nerror: no test ended for ${minutes} minutes; stopping the run\n`);
    void stop(child);
  });
  const [{ code }] = await Promise.all([
    child.status,
    pass(child.stdout, Deno.stdout, watchdog),
    pass(child.stderr, Deno.stderr, watchdog),
  ]);
  watchdog.stop();
  Deno.removeSignalListener("SIGINT", ignore);
  return hangs ? code || 1 : code;
}

/** Calls back after a time without output. */
class Watchdog {
  readonly #onSilence: () => void;
  #timer: ReturnType<typeof setTimeout>;

  constructor(onSilence: () => void) {
    this.#onSilence = onSilence;
    this.#timer = setTimeout(onSilence, SILENCE_MS);
  }

  reset(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onSilence, SILENCE_MS);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}

/** Interrupts `deno test`, which lists the pending tests, and kills it if it does not end. */
async function stop(child: Deno.ChildProcess): Promise<void> {
  const timer = setTimeout(() => kill(child, "SIGKILL"), GRACE_MS);
  kill(child, "SIGINT");
  await child.status;
  clearTimeout(timer);
}

async function pass(
  from: ReadableStream<Uint8Array>,
  to: { write(bytes: Uint8Array): Promise<number> },
  watchdog: Watchdog,
): Promise<void> {
  for await (const chunk of from) {
    watchdog.reset();
    await writeAll(to, chunk);
  }
}

Deno.exit(await runTests(Deno.args));
