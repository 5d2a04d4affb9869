import { assertEquals } from "@std/assert";
import { parentCgroups } from "../../../store/runtime/cgroup_hierarchy.ts";

const ROOT = "/sys/fs/cgroup";

Deno.test.each([
  { text: "0::/user.slice/session-1.scope\n", expected: [ROOT, `${ROOT}/user.slice`] },
  { text: "0::/user.slice\n", expected: [ROOT, ROOT] },
  { text: "0::/\n", expected: [ROOT] },
  { text: "4:memory:/user.slice/a\n0::/user.slice/a\n", expected: [ROOT] },
  { text: "", expected: [ROOT] },
])("parentCgroups() finds $expected for $text", ({ text, expected }) => {
  assertEquals(parentCgroups(text), expected);
});
