import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { parseGroup, parsePasswd } from "../../../spec/mod.ts";

const APP = { name: "app", uid: 1000, gid: 100, home: "/home/app", shell: "/bin/sh" };

Deno.test.each([
  { name: "a common line", text: "app:x:1000:100:App,,,:/home/app:/bin/sh" },
  { name: "line ends of Windows", text: "\r\napp:x:1000:100::/home/app:/bin/sh\r\n" },
  { name: "space around", text: "  app:x:1000:100::/home/app:/bin/sh  " },
  { name: "leading zeros", text: "app:x:0001000:0100::/home/app:/bin/sh" },
  { name: "a field too many", text: "app:x:1000:100::/home/app:/bin/sh:more" },
  {
    name: "comments, blanks and entries of NIS",
    text: "# root:x:0:0\n\n+@net::::::\n+::::::\n-bad::5:5::/:\n:x:1:1::/:\n" +
      "app:x:1000:100::/home/app:/bin/sh\n+:x:0:0:::",
  },
  {
    name: "quotation marks, which do not quote as in CSV",
    text: 'q:x:one:2:"a::/:\napp:x:1000:100:":/home/app:/bin/sh',
  },
  { name: "a NUL", text: "nul:x:1:1:\0:/:\napp:x:1000:100::/home/app:/bin/sh" },
])("parsePasswd() skips $name", ({ text }) => {
  assertEquals(parsePasswd(text), [APP]);
});

Deno.test("parsePasswd() reads lines that end early", () => {
  assertEquals(parsePasswd("app:x:1000:100"), [{ ...APP, home: "", shell: "" }]);
  assertEquals(parsePasswd("app:x:1000:100::/home/app"), [{ ...APP, shell: "" }]);
});

const INVALID_IDS: string[] = [
  ..."|x|-1|+1| 1|1 |0x10|1.0|1e3|4294967295|4294967296|99999999999999999999|١".split("|"),
];
Deno.test.each(INVALID_IDS)("parsePasswd() never reads the number %j as 0", (number) => {
  assertEquals(parsePasswd(`a:x:${number}:0::/:`), []);
  assertEquals(parsePasswd(`a:x:0:${number}::/:`), []);
  assertEquals(parseGroup(`a:x:${number}:`), []);
});

Deno.test("parsePasswd() keeps the order and duplicate names", () => {
  const lines = "a:x:1:1::/1:\nb:x:2:2::/2:\na:x:3:3::/3:";

  assertEquals(parsePasswd(lines).map(({ uid }) => uid), [1, 2, 3]);
});

Deno.test.each([
  { text: "wheel:x:10:root,app", members: ["root", "app"] },
  { text: "wheel:x:10:", members: [] },
  { text: "wheel:x:10", members: [] },
  { text: "wheel::10: root , ,app,", members: ["root", "app"] },
  { text: "wheel:x:10:root:more", members: ["root"] },
  { text: "+:::\n#\nwheel:x:10:root\r\n-x::1:", members: ["root"] },
])("parseGroup() reads $text", ({ text, members }) => {
  assertEquals(parseGroup(text), [{ name: "wheel", gid: 10, members }]);
});

Deno.test("parsePasswd() and parseGroup() read anything", () => {
  fc.assert(fc.property(fc.string({ unit: fc.constantFrom(..."a:0\n\r,# \0") }), (text) => {
    for (const entry of [...parsePasswd(text), ...parseGroup(text)]) {
      assertEquals(entry.name === "" || !Number.isInteger(entry.gid), false);
    }
  }));
});
