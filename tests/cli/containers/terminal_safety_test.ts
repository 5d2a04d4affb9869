import { assertRejects } from "@std/assert";
import { checkTerminalSafety } from "../../../cli/containers/terminal_safety.ts";
import { CommandError } from "../../../cli/frame/errors.ts";
import { makeTempDir } from "../../_support/temp.ts";

const TITLE = "\x1b]0;owned\x07";

Deno.test.each([
  { process: { args: [`/bin/${TITLE}`] }, part: "command" },
  { process: { args: ["sh"], cwd: `/${TITLE}` }, part: "working directory" },
  { process: { args: ["sh"], env: ["A=1", `PATH=/${TITLE}`] }, part: "PATH" },
  { process: { args: ["\x9b31m"] }, part: "C1 control" },
])("checkTerminalSafety() rejects control characters: $part", async ({ process }) => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("config.json"), JSON.stringify({ process }));

  await assertRejects(() => checkTerminalSafety(dir.path), CommandError, "control characters");
});

Deno.test("checkTerminalSafety() accepts what runtimes do not repeat", async () => {
  await using dir = await makeTempDir();
  const process = { args: ["sh", "-c", "printf '\t\n'"], cwd: "/ä", env: [`A=${TITLE}`] };
  await Deno.writeTextFile(dir.join("config.json"), JSON.stringify({ process }));

  await checkTerminalSafety(dir.path);
});
