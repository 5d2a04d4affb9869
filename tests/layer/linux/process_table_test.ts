import { assertEquals } from "@std/assert";
import { hasOnlyForked, processArguments } from "../../../layer/linux/process_table.ts";
import { linuxTest } from "../../_support/skip.ts";

/** Larger than any process ID of the kernel. */
const NO_PROCESS = 2 ** 23;

linuxTest("hasOnlyForked() distinguishes a subshell from a program", async () => {
  const script = 'exec 3<&0; (while read -r _ <&3; do :; done) & echo "$$ $!"; cat';
  await using child = new Deno.Command("sh", {
    args: ["-c", script],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  const [shell = 0, subshell = 0] = new TextDecoder().decode(value).split(" ").map(Number);

  assertEquals([hasOnlyForked(shell), hasOnlyForked(subshell)], [false, true]);
  reader.releaseLock();
  await child.stdin.close();
  assertEquals(await child.stdout.text(), "");
});

linuxTest("hasOnlyForked() and processArguments() accept the ID of no process", () => {
  assertEquals([hasOnlyForked(NO_PROCESS), processArguments(NO_PROCESS)], [false, []]);
});
