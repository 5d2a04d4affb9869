import { assertEquals } from "@std/assert";
import { formatFileMode } from "../../../cli/terminal/file_mode.ts";

Deno.test.each(
  [
    { type: "file", mode: 0o644, text: "-rw-r--r--" },
    { type: "directory", mode: 0o1777, text: "drwxrwxrwt" },
    { type: "directory", mode: 0o1750, text: "drwxr-x--T" },
    { type: "file", mode: 0o4755, text: "-rwsr-xr-x" },
    { type: "hardlink", mode: 0o2744, text: "hrwxr-Sr--" },
    { type: "socket", mode: 0, text: "s---------" },
  ] as const,
)("formatFileMode() of $type $mode is $text", ({ type, mode, text }) => {
  assertEquals(formatFileMode(type, mode), text);
});
