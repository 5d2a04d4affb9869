import { assertEquals } from "@std/assert";
import { rawArguments } from "../../../cli/frame/raw_arguments.ts";

/** The command line of a process with these arguments after others. */
function commandLine(...args: readonly (string | readonly number[])[]): Uint8Array {
  const encoder = new TextEncoder();
  const bytes = ["deno", "run", "mod.ts", ...args].flatMap((arg) => {
    return [...typeof arg === "string" ? encoder.encode(arg) : arg, 0];
  });
  return new Uint8Array(bytes);
}

Deno.test("rawArguments() restores bytes that are not UTF-8", async () => {
  const bytes = commandLine("cat", "", "\ufffd", [0x61, 0xe4, 0x2f, 0xc3, 0xa4]);

  const args = await rawArguments(
    ["cat", "", "\ufffd", "a\ufffd/ä"],
    () => Promise.resolve(bytes),
  );

  assertEquals(args, ["cat", "", "\ufffd", "a\udce4/ä"]);
});

Deno.test.each([
  { what: "unreadable", bytes: new Uint8Array() },
  { what: "different", bytes: commandLine("ls", [0xe4]) },
  { what: "shorter", bytes: new Uint8Array([0xe4, 0]) },
  { what: "incomplete", bytes: commandLine("cat", [0xe4]).slice(0, -1) },
])("rawArguments() keeps the arguments if the command line is $what", async ({ bytes }) => {
  const args = ["cat", "\ufffd"];

  assertEquals(await rawArguments(args, () => Promise.resolve(bytes)), args);
});
