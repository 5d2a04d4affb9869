import { RuntimeError } from "./runtime_error.ts";

/** The errors that a runtime has written into its log. */
export async function readRuntimeLog(path: string): Promise<readonly string[]> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
  return text.split("\n").filter(Boolean).flatMap((line) => {
    const { level, msg } = parseLine(line);
    return level === "error" || level === "fatal" ? [msg] : [];
  });
}

interface LogLine {
  readonly level: string;
  readonly msg: string;
}

function parseLine(line: string): LogLine {
  try {
    const { level = "error", msg = line } = JSON.parse(line) as Partial<LogLine>;
    return { level: String(level).toLowerCase(), msg: String(msg) };
  } catch {
    // Not every message of every runtime keeps to the format.
    return { level: "error", msg: line };
  }
}

/** What crun says of machines that have both versions of control groups with controllers. */
const HYBRID = /cgroups? in hybrid mode|hybrid mode not supported/i;

/** Whether the machine is one that the runtime does not take, so that another may do. */
export function isRefusedMachine(log: readonly string[]): boolean {
  return log.some((line) => HYBRID.test(line));
}

/** What to do about such a machine. */
export const HYBRID_ADVICE: string =
  "this runtime does not take a machine with both versions of control groups: choose runc, or " +
  'run inside of "unshare -m" after "umount /sys/fs/cgroup/unified"';

/** What runtimes say of known troubles, and what to do about them. */
const ADVICE: readonly (readonly [said: RegExp, advice: string])[] = [
  [HYBRID, HYBRID_ADVICE],
  [
    /newuidmap|newgidmap|uid_map|gid_map/,
    "check the user's ranges in /etc/subuid and /etc/subgid, and that newuidmap is installed",
  ],
  [
    /executable file .*not found|exec format error|no such file or directory.*exec|exec: /i,
    "check the command, and that the image is for this machine",
  ],
  [/cgroup/i, "check that this user may make control groups, or leave out the limits"],
  [/read-only file system/i, "make what is written to a mount, or the root writable"],
];

/** The error for a container that a runtime did not start. */
export function explainFailure(
  runtime: string,
  bundle: string,
  log: readonly string[],
): RuntimeError {
  const said = log.at(-1) ?? "";
  const advice = ADVICE.find(([pattern]) => pattern.test(said))?.[1] ??
    `look at "${bundle}/config.json"`;
  const name = runtime.slice(runtime.lastIndexOf("/") + 1);
  return new RuntimeError(
    `Cannot start the container: ${name} says: ${said}; ${advice}`,
    runtime,
    log,
  );
}
