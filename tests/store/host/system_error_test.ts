import { assertEquals, assertInstanceOf } from "@std/assert";
import { describeFailedCall, inputAdvice } from "../../../store/host/system_error.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** Calls of Deno that fail, on a path that does not exist. */
const CALLS = [
  { name: "mkdir", call: (path: string) => Deno.mkdirSync(`${path}/a`), verb: "create" },
  { name: "open", call: (path: string) => Deno.openSync(path), verb: "open" },
  { name: "lstat", call: (path: string) => Deno.lstatSync(path), verb: "read" },
  { name: "readDir", call: (path: string) => [...Deno.readDirSync(path)], verb: "read" },
  { name: "remove", call: (path: string) => Deno.removeSync(path), verb: "remove" },
  { name: "rename", call: (path: string) => Deno.renameSync(path, `${path}2`), verb: "rename" },
];

Deno.test.each(CALLS)(
  "describeFailedCall() reads Deno's error of $name",
  async ({ call, verb }) => {
    await using dir = await makeTempDir();
    const path = dir.join("none");

    let thrown: unknown;
    try {
      call(path);
    } catch (error) {
      thrown = error;
    }

    assertInstanceOf(thrown, Deno.errors.NotFound);
    const [subject, cause] = verb === "create"
      ? [`${path}/a`, "its directory does not exist"]
      : [path, "it does not exist"];
    assertEquals(describeFailedCall(thrown), `cannot ${verb} "${subject}": ${cause}`);
  },
);

Deno.test("describeFailedCall() returns undefined for other errors", () => {
  assertEquals(describeFailedCall(new Deno.errors.NotFound("Cannot read 'x'")), undefined);
  assertEquals(describeFailedCall(new Error("failed: open '/x'")), undefined);
});

Deno.test("describeFailedCall() names the root of a file tree, whose path is empty", () => {
  const error = new Error('Too many open files (os error 24): openat2 ""');

  assertEquals(
    describeFailedCall(Object.assign(error, { code: "EMFILE" })),
    "cannot open the target directory: too many files are open",
  );
});

Deno.test("inputAdvice() advises checking the path, or the mode of an unreadable file", () => {
  assertEquals(inputAdvice(new Deno.errors.NotFound()), "Check the path");
  assertEquals(
    inputAdvice(new Deno.errors.PermissionDenied()),
    "Check its owner and mode, and those of its directory",
  );
});
