import { isObject, parseIfJson } from "../../spec/json.ts";
import { RuntimeError } from "../errors.ts";
import { ifAny } from "../host/files.ts";

/** Returns the errors in the log of a runtime. */
export function readRuntimeLog(path: string): readonly string[] {
  const text = ifAny(() => Deno.readTextFileSync(path)) ?? "";
  return text.split("\n").filter(Boolean).flatMap((line) => {
    // Runtimes write some messages in another format.
    const entry = parseIfJson(line);
    const { level = "error", msg = line } = isObject(entry) ? entry : {};
    return /^(?:error|fatal)$/i.test(String(level)) ? [String(msg)] : [];
  });
}

/** crun's message on machines on which both versions of cgroups have controllers. */
const HYBRID = /cgroups? in hybrid mode|hybrid mode not supported/i;

/** Whether a log shows that the runtime does not support this machine. Another one may. */
export function isUnsupportedMachine(log: readonly string[]): boolean {
  return log.some((line) => HYBRID.test(line));
}

/** Problem of a runtime on such a machine: the words after its name. */
export const HYBRID_PROBLEM = "does not support a machine with both versions of control groups";

/** What to choose instead. */
const HYBRID_CHOICE = 'runc, or run inside of "unshare -m" after "umount /sys/fs/cgroup/unified"';

/** Problem and advice for such a machine. */
export const HYBRID_OBSTACLE: string = `this runtime ${HYBRID_PROBLEM}: choose ${HYBRID_CHOICE}`;

/** A failure that can be recognized in the output of a runtime. */
interface KnownFailure {
  readonly pattern: RegExp;
  /** Problem of the runtime: the words after its name (default: those of the runtime itself). */
  readonly problem?: string;
  readonly advice: string;
  readonly option?: string;
  /** Exit code that shells use for this failure. */
  readonly exitCode?: number;
}

const CHECK_COMMAND = "Check the command, and that the image is for this machine";
const CHECK_CGROUPS = "Check that this user may create control groups, or leave out the limits";

const FAILURES: readonly KnownFailure[] = [
  {
    pattern: HYBRID,
    problem: HYBRID_PROBLEM,
    advice: `Choose ${HYBRID_CHOICE}`,
    option: "runtime",
  },
  {
    pattern: /newuidmap|newgidmap|uid_map|gid_map/,
    advice:
      "Check the user's ranges in /etc/subuid and /etc/subgid, and that newuidmap is installed",
  },
  {
    pattern: /executable file .*not found|exec: ".*": stat .*: no such file/i,
    advice: CHECK_COMMAND,
    exitCode: 127,
  },
  {
    pattern:
      /exec: ".*": .*(permission denied|is a directory)|open executable: |exec format error/i,
    advice: CHECK_COMMAND,
    exitCode: 126,
  },
  { pattern: /no such file or directory.*exec|exec: /i, advice: CHECK_COMMAND },
  // runc names the first limit that it cannot set.
  { pattern: /could not join or create cgroup/i, advice: CHECK_CGROUPS },
  { pattern: /memory limit/i, advice: "Allow the container more memory", option: "memory" },
  { pattern: /cgroup/i, advice: CHECK_CGROUPS },
  {
    pattern: /read-only file system/i,
    advice: "Mount a directory at the path that is written, or make the root writable",
    option: "readOnly",
  },
  { pattern: /^mount `|mounting "/i, advice: "Check the mounts and their options" },
];

/** Returns the error for a container that a runtime did not start. */
export function explainFailure(runtime: string, log: readonly string[]): RuntimeError {
  const line = log.at(-1) ?? "";
  const {
    problem = `says: ${line}`,
    advice = "Check the configuration of the bundle",
    option,
    exitCode,
  } = FAILURES.find((failure) => failure.pattern.test(line)) ?? {};
  const name = runtime.slice(runtime.lastIndexOf("/") + 1);
  return new RuntimeError(`${name} ${problem}`, runtime, log, {
    code: "container-start",
    action: "start the container",
    advice,
    option,
    exitCode,
  });
}
