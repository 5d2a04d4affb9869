import { assertEquals, assertThrows } from "@std/assert";
import { newSpec, withCapabilities } from "../../../spec/mod.ts";

Deno.test.each([
  {
    name: "adding",
    changes: { add: ["net_admin"] },
    has: ["CAP_NET_ADMIN", "CAP_CHOWN"],
    count: 15,
  },
  {
    name: "adding a default capability",
    changes: { add: ["CAP_CHOWN"] },
    has: ["CAP_CHOWN"],
    count: 14,
  },
  { name: "dropping", changes: { drop: ["CHOWN"] }, has: ["CAP_KILL"], count: 13 },
  { name: "dropping all", changes: { drop: ["all"] }, has: [], count: 0 },
  {
    name: "all but one",
    changes: { add: ["ALL"], drop: ["SYS_ADMIN"] },
    has: ["CAP_BPF"],
    count: 40,
  },
  { name: "one alone", changes: { add: ["KILL"], drop: ["ALL"] }, has: ["CAP_KILL"], count: 1 },
  { name: "everything", changes: { add: ["ALL"] }, has: ["CAP_SYS_ADMIN"], count: 41 },
])("withCapabilities() grants capabilities: $name", ({ changes, has, count }) => {
  const { bounding = [], effective, permitted, ambient, inheritable } =
    newSpec(withCapabilities(changes)).process.capabilities ?? {};

  assertEquals(has.filter((name) => !bounding.includes(name)), []);
  assertEquals(bounding.length, count);
  assertEquals([effective, permitted], [bounding, bounding]);
  assertEquals([ambient, inheritable], [undefined, undefined]);
});

Deno.test("withCapabilities() keeps capabilities for an unprivileged user", () => {
  const once = withCapabilities({ ambient: ["NET_BIND_SERVICE"] });
  const { ambient, inheritable } = newSpec(once, withCapabilities({ add: ["BPF"] })).process
    .capabilities ?? {};

  assertEquals([ambient, inheritable], [["CAP_NET_BIND_SERVICE"], ["CAP_NET_BIND_SERVICE"]]);
  const dropped = newSpec(once, withCapabilities({ drop: ["ALL"] })).process.capabilities;
  assertEquals(dropped?.ambient, undefined);
});

Deno.test("withCapabilities() rejects unknown capabilities", () => {
  assertThrows(() => withCapabilities({ add: ["CAP_X"] }), RangeError, '"CAP_X"');
  assertThrows(() => withCapabilities({ drop: [""] }), RangeError);
});
