import { assertEquals } from "@std/assert";
import { hasOtherMembers, isWritableByOthers } from "../../../store/host/owners.ts";
import { posixTest } from "../../_support/skip.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** A number that no user or group of a machine has. */
const UID = 1_234_567;

posixTest.each([
  { mode: 0o755, gid: UID, expected: false },
  { mode: 0o700, gid: UID + 1, expected: false },
  { mode: 0o755, gid: UID + 1, expected: false },
  { mode: 0o775, gid: UID, expected: false },
  { mode: 0o775, gid: UID + 1, expected: true },
  { mode: 0o702, gid: UID, expected: true },
  { mode: 0o1777, gid: UID, expected: true },
])("isWritableByOthers() returns $expected for mode $mode and group $gid", async (item) => {
  await using directory = await makeTempDir();
  const info = await Deno.stat(directory.path);

  assertEquals(isWritableByOthers({ ...info, ...item, uid: UID }), item.expected);
});

Deno.test.each([
  { what: "nobody", group: "me:x:7:", other: "you:x:8:8::/:/bin/sh", expected: false },
  { what: "the user", group: "me:x:7:me", other: "you:x:8:8::/:/bin/sh", expected: false },
  { what: "another member", group: "me:x:7:me,you", other: "you:x:8:8::/", expected: true },
  { what: "a user's own group", group: "me:x:7:", other: "you:x:8:7::/:/bin/sh", expected: true },
  { what: "members elsewhere", group: "us:x:9:you", other: "you:x:8:9::/", expected: false },
])("hasOtherMembers() returns $expected for $what", ({ group, other, expected }) => {
  const users = ["me:x:7:7::/:/bin/sh", other].map((line) => line.split(":"));

  assertEquals(hasOtherMembers(7, [group.split(":")], users), expected);
});
