import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { COMMANDS } from "../../cli/commands.ts";
import { ROOT } from "../_support/process.ts";

Deno.test("the README lists every command, and no others", async () => {
  const readme = await Deno.readTextFile(join(ROOT, "README.md"));
  const [, section = ""] = /^## Commands\n(.*?)^## /ms.exec(readme) ?? [];
  const listed = [...section.matchAll(/^\| `([a-z]+)/gm)].map(([, name = ""]) => name);

  assertEquals(listed.sort(), [...COMMANDS.keys()].sort());
});
