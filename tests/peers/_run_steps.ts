/** A command line of `oci run`, and what it must do. */
export interface RunStep {
  readonly name: string;
  readonly image?: "root" | "app" | "groups";
  readonly options?: readonly string[];
  readonly args: readonly string[];
  readonly stdin?: string;
  readonly code?: number;
  readonly stdout?: string;
  /** A part of standard error. */
  readonly stderr?: string;
  /** Whether it needs more than one user id. */
  readonly needsIds?: true;
  /** Whether it depends on the runtime only, not on the bundler. */
  readonly ofRuntime?: true;
}

/** The command lines that every runtime, bundler and user must pass. */
export const STEPS: readonly RunStep[] = [
  {
    name: "what its options say, and passes on input, output and exit code",
    options: [
      ...["--env", "GREETING=hello there", "--cwd", "/new/place", "--hostname", "box"],
      ...["--mount", "type=tmpfs,target=/mnt,tmpfs-size=64k"],
    ],
    args: [
      ...["sh", "-c"],
      'cat /etc/os-release; cat; echo; echo "$GREETING"; pwd; cat /proc/sys/kernel/hostname; ' +
      "stat -fc %T /mnt; id -u; echo no >&2; exit 7",
    ],
    stdin: "from outside",
    code: 7,
    stdout:
      'ID=oci-test\nPRETTY_NAME="Test"\nfrom outside\nhello there\n/new/place\nbox\ntmpfs\n0\n',
    stderr: "no\n",
  },
  {
    name: "a user, and its group",
    image: "app",
    args: ["sh", "-c", "id -u; id -G"],
    stdout: "1000\n1000\n",
    needsIds: true,
  },
  { name: "groups", image: "groups", args: ["id", "-G"], stdout: "1000 29 44\n", needsIds: true },
  {
    name: "the names of a machine without network",
    options: ["--hostname", "box", "--read-only"],
    args: ["cat", "/etc/hosts"],
    stdout: "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n127.0.0.1 box\n",
  },
  {
    name: "a root that cannot be written",
    options: ["--read-only"],
    args: ["sh", "-c", "echo x > /file"],
    code: 2,
    stderr: "Read-only file system",
  },
  {
    name: "volumes: one that can be written, and one in a mounted directory",
    options: [
      ...["--read-only", "-v", "/opt/volume", "-v", "/home/volume"],
      ...["--mount", "type=tmpfs,target=/home"],
    ],
    args: ["sh", "-c", "echo x > /opt/volume/file; cat /opt/volume/file; stat -fc %T /home"],
    stdout: "x\ntmpfs\n",
  },
  {
    name: "its own end by a signal",
    args: ["sh", "-c", "sh -c 'kill -TERM $$'; exit $?"],
    code: 143,
    ofRuntime: true,
  },
  {
    name: "a time that is up",
    options: ["--timeout", "0.5"],
    args: ["sleep", "60"],
    code: 137,
    stderr: "killed",
  },
  {
    name: "no such program",
    args: ["nothing-here"],
    code: 127,
    stderr: "Check the command",
    ofRuntime: true,
  },
  {
    name: "no such path",
    args: ["/nothing/here"],
    code: 127,
    stderr: "Check the command",
    ofRuntime: true,
  },
  {
    name: "no program",
    args: ["/etc/os-release"],
    code: 126,
    stderr: "Check the command",
    ofRuntime: true,
  },
  { name: "a directory", args: ["/etc"], code: 126, stderr: "Check the command", ofRuntime: true },
  { name: "a time of months", options: ["--timeout", "9999999"], args: ["cat"], ofRuntime: true },
  {
    name: "a mount that cannot be",
    options: ["--mount", "/proc:/etc/os-release"],
    args: ["cat"],
    code: 1,
    stderr: "Check the mounts and their options",
  },
  {
    name: "no such user",
    options: ["--user", "nobody-here"],
    args: ["id"],
    code: 1,
    stderr: 'cannot find user "nobody-here"',
  },
];
