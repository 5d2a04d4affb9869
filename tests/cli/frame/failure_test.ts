import { assertEquals, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../../cli/commands.ts";
import { CommandError, UsageError } from "../../../cli/frame/errors.ts";
import { causeLines, errorDocument, errorLine, exitCodeOf } from "../../../cli/frame/failure.ts";
import { InterruptedError } from "../../../cli/frame/interruption.ts";
import { declareCommand } from "../../../cli/frame/program.ts";
import { RegistryError } from "../../../registry/mod.ts";
import { parsePlatform, PlatformError } from "../../../spec/mod.ts";
import { RuntimeError } from "../../../store/mod.ts";
import { DIGEST, facts } from "./_remedy_row.ts";

/** The declarations of all commands. */
const DECLARED = new Map(
  await Promise.all([...COMMANDS].map(async ([name, { load }]) => {
    return [name, declareCommand(name, await load(), COMMANDS)] as const;
  })),
);
const PULL = { action: "pull a.io/b:1", command: DECLARED.get("pull") };

Deno.test.each([
  {
    name: "the remedy of a command",
    error: new CommandError('cannot remove "a; b": not found', 'See "oci images"'),
    line: 'cannot remove "a; b": not found. See "oci images"',
    code: "command",
    exitCode: 1,
  },
  {
    name: "where to read about options",
    error: new UsageError('cannot use "a; b"'),
    line: 'cannot use "a; b". See --help',
    code: "usage",
    exitCode: 2,
  },
  {
    name: "the signal",
    error: new InterruptedError("SIGTERM", 143),
    line: "interrupted by SIGTERM. Run the same command again to resume",
    code: "interrupted",
    exitCode: 143,
  },
  {
    name: "how to learn about permissions",
    error: new Deno.errors.NotCapable(
      'Requires net access to "a.io", run again with the --allow-net flag',
    ),
    line: 'Requires net access to "a.io". ' +
      'Grant --allow-net=a.io, or all that it needs: "oci permissions pull a.io/b:1" prints it',
    code: "permission",
    exitCode: 1,
  },
  {
    name: "that Deno guards a path",
    error: new Deno.errors.NotCapable(
      'Requires read access to "/dev/shm/s", run again with the --allow-read flag',
    ),
    line: 'Requires read access to "/dev/shm/s". ' +
      'Grant --allow-all, or all that it needs: "oci permissions pull a.io/b:1" prints it',
    code: "permission",
    exitCode: 1,
  },
  {
    name: "what to do about a read-only disk",
    error: Object.assign(new Error("Read-only file system"), { code: "EROFS" }),
    line: "Read-only file system. Choose a writable place; for the store, use --store",
    code: "system",
    exitCode: 1,
  },
  {
    name: "what to do about too many open files",
    error: Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" }),
    line: "Too many open files (os error 24). " +
      'Raise the limit of open files with "ulimit -n 4096"',
    code: "system",
    exitCode: 1,
  },
  {
    name: "what the system refuses to do",
    error: Object.assign(
      new Deno.errors.PermissionDenied("Permission denied (os error 13): mkdir '/a'"),
      { code: "EACCES" },
    ),
    line: 'cannot create "/a": permission denied. ' +
      "Check its owner and mode, and those of its directory",
    code: "system",
    exitCode: 1,
  },
  {
    name: "what to do about a missing file",
    error: new Deno.errors.NotFound('Cannot read "/a": there is no such file'),
    line: 'Cannot read "/a": there is no such file. Check that the path exists',
    code: "system",
    exitCode: 1,
  },
  {
    name: "a message with several lines in one",
    error: new Error("first\nsecond\x1b[2J"),
    line: "first\\u{a}second\\u{1b}[2J. Report it if this should work",
    code: "unexpected",
    exitCode: 1,
  },
  {
    name: "a thrown value that is not an error",
    error: "text",
    line: "text. Report it if this should work",
    code: "unexpected",
    exitCode: 1,
  },
  {
    name: "the exit code of a runtime",
    error: new RuntimeError("it is absent", "crun", [], { exitCode: 127 }),
    line: "it is absent. Report it if this should work",
    code: "other",
    exitCode: 127,
  },
])("errorLine() says $name", ({ error, line, code, exitCode }) => {
  assertEquals(errorLine(error, PULL), `oci: pull a.io/b:1: ${line}`);
  assertEquals((errorDocument(error, PULL).error as { code: string }).code, code);
  assertEquals(exitCodeOf(error), exitCode);
});

Deno.test("errorLine() offers to resume only a command that transfers layers", () => {
  const error = new InterruptedError("SIGINT", 130);
  const resumed = [...DECLARED].filter(([name, command]) => {
    return errorLine(error, { action: name, command }).endsWith(" to resume");
  }).map(([name]) => name).sort();

  assertEquals(resumed, [
    ...["artifact", "bundle", "cat", "copy", "export", "load", "ls", "pull", "push", "run", "save"],
    "unpack",
  ]);
});

Deno.test.each([
  { name: "load", operand: "-" },
  { name: "copy", operand: "docker-archive:-:app" },
])("errorLine() does not offer to resume $name $operand", ({ name, operand }) => {
  const failed = { action: name, command: DECLARED.get(name), operands: [operand] };

  const line = errorLine(new InterruptedError("SIGINT", 130), failed);

  assertEquals(line, `oci: ${name}: interrupted by SIGINT. Run the same command again`);
});

Deno.test("errorLine() names all operands to print the permissions for", () => {
  const operands = ["a.io/b:1", "c.io/b:1"];
  const failed = { action: "push a.io/b:1", command: DECLARED.get("push"), operands };
  const error = new Deno.errors.NotCapable(
    'Requires net access to "c.io", run again with the --allow-net flag',
  );

  assertStringIncludes(
    errorLine(error, failed),
    '"oci permissions push a.io/b:1 c.io/b:1" prints it',
  );
  const run = {
    action: "run a.io/b",
    command: DECLARED.get("run"),
    operands: ["a.io/b", "secret"],
  };
  assertStringIncludes(errorLine(error, run), '"oci permissions run a.io/b" prints it');
});

Deno.test("errorLine() explains an error before the command is known", () => {
  const line = errorLine(facts("no-command"), { action: "read x", command: undefined });

  assertEquals(line, "oci: read x: cannot do x: it is so. Write the command after the image");
});

Deno.test("errorLine() sends a login to another file if the home directory is read-only", () => {
  const error = Object.assign(new Error("Read-only file system"), { code: "EROFS" });

  assertEquals(
    errorLine(error, { action: "login a.io", command: DECLARED.get("login") }),
    "oci: login a.io: Read-only file system. Choose a writable file with --authfile",
  );
});

Deno.test("errorLine() names the subject of a request unless it is the operand", () => {
  const fields = { status: 418, url: "", subject: "c.io/d:1", action: 'pull "c.io/d:1"' };
  const whole = new RegistryError("c.io answered 418", fields);
  const part = new RegistryError("c.io answered 418", {
    ...fields,
    action: `pull the blob ${DIGEST} of "c.io/d"`,
    subject: DIGEST,
  });

  const rest = "c.io answered 418. Show each request with --debug";
  assertEquals(errorLine(whole, PULL), `oci: pull a.io/b:1: "c.io/d:1": ${rest}`);
  assertEquals(
    errorLine(whole, { action: "cat c.io/d:1 etc/hosts", command: DECLARED.get("cat") }),
    `oci: cat c.io/d:1 etc/hosts: ${rest}`,
  );
  assertEquals(
    errorLine(part, PULL),
    `oci: pull a.io/b:1: cannot pull the blob ${DIGEST} of "c.io/d": ${rest}`,
  );
});

Deno.test("errorDocument() has the fields of the library's errors, and the remedy", () => {
  const error = new PlatformError("a", parsePlatform("linux/s390x"), []);

  assertEquals(errorDocument(error, PULL), {
    error: {
      name: "PlatformError",
      code: "platform",
      message: error.message,
      action: 'find linux/s390x in "a"',
      subject: "a",
      problem: "it has none that can run",
      option: "platform",
      wanted: { os: "linux", architecture: "s390x" },
      available: [],
      remedy: 'Show what it has with "oci inspect --raw"',
    },
  });
});

Deno.test("errorDocument() has the code of the system in other errors", () => {
  const error = Object.assign(new Deno.errors.NotFound("x"), { code: "ENOENT" });
  const { name } = error;

  assertEquals(errorDocument(error, PULL), {
    error: {
      name,
      code: "system",
      message: "x",
      problem: "x",
      errno: "ENOENT",
      remedy: "Check that the path exists",
    },
  });
});

Deno.test("causeLines() follows causes and the errors of an aggregate, each once", () => {
  const root = new TypeError("root");
  const several = new AggregateError([new Error("one", { cause: root }), new Error("two")], "all");

  assertEquals(causeLines(new Error("top", { cause: several })), [
    "  caused by: AggregateError: all",
    "  caused by: Error: one",
    "  caused by: Error: two",
    "  caused by: TypeError: root",
  ]);
});

Deno.test("causeLines() ends at a cycle of causes", () => {
  const error = new Error("a");
  error.cause = new Error("b", { cause: error });

  assertEquals(causeLines(error), ["  caused by: Error: b"]);
});
