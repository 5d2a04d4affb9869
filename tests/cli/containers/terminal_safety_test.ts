import { assert, assertEquals } from "@std/assert";
import { safeStderr } from "../../../cli/containers/terminal_safety.ts";
import { makeTempDir } from "../../_support/temp.ts";

const TITLE = "\x1b]0;owned\x07";

Deno.test.each([
  { process: { args: [`/bin/${TITLE}`] }, part: "command" },
  { process: { args: ["sh"], cwd: `/${TITLE}` }, part: "working directory" },
  { process: { args: ["sh"], env: ["A=1", `PATH=/${TITLE}`] }, part: "PATH" },
  { process: { args: ["\x9b31m"] }, part: "C1 control" },
])("safeStderr() escapes text that a runtime repeats: $part", async ({ process }) => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("config.json"), JSON.stringify({ process }));
  let shown = "";

  const stream = await safeStderr(dir.path, { text: (text) => shown += text });
  assert(stream !== undefined);
  const writer = stream.getWriter();
  const bytes = new TextEncoder().encode(`no ${TITLE} of ü\nend\n`);
  // A chunk may end within a character.
  for (const byte of bytes) await writer.write(new Uint8Array([byte]));

  assertEquals(shown, "no \\u{1b}]0;owned\\u{7} of ü\nend\n");
});

Deno.test("safeStderr() leaves alone what runtimes do not repeat", async () => {
  await using dir = await makeTempDir();
  const process = { args: ["sh", "-c", "printf '\t\n'"], cwd: "/ä", env: [`A=${TITLE}`] };
  await Deno.writeTextFile(dir.join("config.json"), JSON.stringify({ process }));

  assertEquals(await safeStderr(dir.path, { text: () => {} }), undefined);
});
