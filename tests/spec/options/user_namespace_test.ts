import { assertEquals, assertThrows } from "@std/assert";
import { newSpec, withHostNetwork, withUser, withUserNamespace } from "../../../spec/mod.ts";

const RANGE = { containerID: 0, hostID: 100_000, size: 1000 };
const MAP = [RANGE];

Deno.test("withUserNamespace() adds the namespace, and keeps control groups and devices", () => {
  const plain = newSpec();
  const { linux, mounts } = newSpec(withUserNamespace({ uidMap: MAP, gidMap: MAP }));

  assertEquals(linux.namespaces, [{ type: "user" }, ...plain.linux.namespaces ?? []]);
  assertEquals([linux.uidMappings, linux.gidMappings], [MAP, MAP]);
  assertEquals(linux.resources, plain.linux.resources);
  assertEquals(mounts, plain.mounts);
});

Deno.test("withUserNamespace() replaces an earlier user namespace", () => {
  const other = [{ containerID: 0, hostID: 0, size: 1 }];

  const { linux } = newSpec(
    withUserNamespace({ uidMap: other, gidMap: other }),
    withUserNamespace({ uidMap: MAP, gidMap: MAP }),
  );

  assertEquals(linux.namespaces?.filter(({ type }) => type === "user").length, 1);
  assertEquals(linux.uidMappings, MAP);
});

Deno.test("withUserNamespace() binds /sys of the host with its network, and checks the user", () => {
  const options = withUserNamespace({ uidMap: MAP, gidMap: [{ ...RANGE, size: 5 }] });

  const { mounts } = newSpec(options, withHostNetwork());

  assertEquals(mounts.find(({ destination }) => destination === "/sys")?.type, "bind");
  const devpts = mounts.find(({ type }) => type === "devpts");
  assertEquals(devpts?.options?.includes("gid=5"), false);
  assertThrows(() => newSpec(options, withUser("1000:0")), RangeError, "user 1000");
});

Deno.test.each([
  { name: "no range", map: [] },
  { name: "ranges that overlap in the container", map: [...MAP, { ...RANGE, hostID: 1 }] },
  { name: "ranges that overlap on the host", map: [...MAP, { ...RANGE, containerID: 5000 }] },
  { name: "a range over 32 bits", map: [{ containerID: 0, hostID: 4_294_967_295, size: 2 }] },
])("withUserNamespace() rejects $name", ({ map }) => {
  assertThrows(() => withUserNamespace({ uidMap: map, gidMap: MAP }), RangeError, "user IDs");
  assertThrows(() => withUserNamespace({ uidMap: MAP, gidMap: map }), RangeError, "group IDs");
});
