import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { resolveUser, UnknownUserError } from "../../../spec/mod.ts";
import { ROOT, run } from "../../_support/process.ts";

const PASSWD = `root:x:0:0:root:/root:/bin/sh
app:x:1000:100::/home/app:/bin/sh
app:x:2000:200::/second:/bin/sh
other:x:1000:300::/other:/bin/sh
3000:x:0:0:a name of digits:/root:/bin/sh
relative:x:4000:4000::home:
far:x:4294967294:0::/:
`;
const GROUP = `root:x:0:
users:x:100:
video:x:44:app,root
audio:x:29:app
audio:x:30:app
wheel:x:10:root
5000:x:0:
far:x:4294967294:other
`;

Deno.test.each([
  { user: "", uid: 0, gid: 0, additionalGids: [0, 10, 44], home: "/root" },
  { user: "root", uid: 0, gid: 0, additionalGids: [0, 10, 44], home: "/root" },
  { user: "0", uid: 0, gid: 0, additionalGids: [0, 10, 44], home: "/root" },
  { user: "00", uid: 0, gid: 0, additionalGids: [0, 10, 44], home: "/root" },
  { user: "app", uid: 1000, gid: 100, additionalGids: [29, 30, 44, 100], home: "/home/app" },
  { user: "1000", uid: 1000, gid: 100, additionalGids: [29, 30, 44, 100], home: "/home/app" },
  { user: "app:", uid: 1000, gid: 100, additionalGids: [29, 30, 44, 100], home: "/home/app" },
  { user: "app:video", uid: 1000, gid: 44, additionalGids: [], home: "/home/app" },
  { user: "app:44", uid: 1000, gid: 44, additionalGids: [], home: "/home/app" },
  { user: "1000:video", uid: 1000, gid: 44, additionalGids: [], home: "/home/app" },
  { user: "1000:77", uid: 1000, gid: 77, additionalGids: [], home: "/home/app" },
  { user: ":video", uid: 0, gid: 44, additionalGids: [], home: "/root" },
  { user: "77", uid: 77, gid: 0, additionalGids: [0], home: "/" },
  { user: "77:88", uid: 77, gid: 88, additionalGids: [], home: "/" },
  { user: "3000", uid: 3000, gid: 0, additionalGids: [0], home: "/" },
  { user: "0:5000", uid: 0, gid: 5000, additionalGids: [], home: "/root" },
  { user: "relative", uid: 4000, gid: 4000, additionalGids: [4000], home: "/" },
  { user: "2147483647", uid: 2147483647, gid: 0, additionalGids: [0], home: "/" },
  { user: "1:2147483647", uid: 1, gid: 2147483647, additionalGids: [], home: "/" },
])("resolveUser() finds $user", ({ user, ...resolved }) => {
  assertEquals(resolveUser(user, PASSWD, GROUP), resolved);
});

Deno.test("resolveUser() needs no files for numbers", () => {
  const resolved = { uid: 7, gid: 0, additionalGids: [0], home: "/" };

  assertEquals(resolveUser("7", "", ""), resolved);
  assertEquals(resolveUser("7:8", "", ""), { ...resolved, gid: 8, additionalGids: [] });
  assertEquals(resolveUser("", "", ""), { ...resolved, uid: 0 });
});

Deno.test("resolveUser() only needs the file with the name", () => {
  assertEquals(resolveUser("app", PASSWD, "").additionalGids, [100]);
  assertEquals(resolveUser("7:video", "", GROUP).gid, 44);
});

Deno.test("resolveUser() keeps supplementary groups beside an explicit group if requested", () => {
  const options = { additionalGids: true };

  assertEquals(resolveUser("app:77", PASSWD, GROUP, options).additionalGids, [29, 30, 44, 77]);
  assertEquals(resolveUser("9:77", PASSWD, GROUP, options).additionalGids, [77]);
});

// CVE-2024-40635 and CVE-2026-46680: a number that overflows must not become another user.
const LARGE: string[] = [
  "2147483648",
  "4294967295",
  "4294967296",
  "18446744073709551616",
  "9".repeat(400),
];
Deno.test.each(LARGE)("resolveUser() rejects the number %s, even if it is a name", (number) => {
  const passwd = `${number}:x:0:0::/root:/bin/sh\n`;
  const group = `${number}:x:0:\n`;

  for (const user of [number, `0:${number}`, `${number}:0`, `00${number}`]) {
    assertThrows(() => resolveUser(user, passwd, group), RangeError, "from 0 to 2147483647");
  }
});

Deno.test.each(["far", "app:far", "other"])(
  "resolveUser() rejects an ID in the files that is too large: %s",
  (user) => {
    const passwd = PASSWD.replace("other:x:1000", "other:x:1001");

    assertThrows(() => resolveUser(user, passwd, GROUP), RangeError, "4294967294");
  },
);

const UNKNOWN: { user: string; kind: string; account: string }[] = [
  { user: "nobody", kind: "user", account: "nobody" },
  { user: "nobody:0", kind: "user", account: "nobody" },
  { user: "0:nogroup", kind: "group", account: "nogroup" },
  { user: "-1", kind: "user", account: "-1" },
  { user: "+1", kind: "user", account: "+1" },
  { user: "1000 ", kind: "user", account: "1000 " },
  { user: "0x0", kind: "user", account: "0x0" },
  { user: "1e3", kind: "user", account: "1e3" },
  { user: "١", kind: "user", account: "١" },
  { user: "App", kind: "user", account: "App" },
];
Deno.test.each(UNKNOWN)(
  "resolveUser() reports the unknown part of $user",
  ({ user, kind, account }) => {
    const error = assertThrows(
      () => resolveUser(user, PASSWD, GROUP, { image: "a/b:1" }),
      UnknownUserError,
      `Cannot find ${kind} "${account}" in a/b:1`,
    );
    assertEquals([error.kind, error.account], [kind, account] as unknown);
  },
);

Deno.test("resolveUser() rejects two colons", () => {
  assertThrows(() => resolveUser("a:b:c", PASSWD, GROUP), SyntaxError, '"USER[:GROUP]"');
});

Deno.test("resolveUser() returns sorted distinct groups, including the primary one", () => {
  const gids = fc.array(fc.nat({ max: 9 }));
  fc.assert(fc.property(gids, fc.nat({ max: 9 }), (gids, primary) => {
    const group = gids.map((gid, i) => `g${i}:x:${gid}:u`).join("\n");

    const { additionalGids } = resolveUser("u", `u:x:1:${primary}::/:`, group);

    assertEquals(additionalGids, [...new Set([...gids, primary])].sort());
  }));
});

Deno.test("resolveUser() reads the largest files in little memory", async () => {
  const code = `
    import { resolveUser } from "./spec/options/user.ts";
    const passwd = "a:x:1:1:::\\n".repeat(950_000) + "web:x:7:8::/:";
    console.log(resolveUser("web", passwd, "a:x:9:web\\n".repeat(950_000)).uid);`;

  const { stdout, stderr } = await run(
    Deno.execPath(),
    ["eval", "--no-config", "--v8-flags=--max-old-space-size=128", code],
    { cwd: ROOT },
  );

  assertEquals(stdout, "7\n", stderr);
});
