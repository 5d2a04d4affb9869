import { assertEquals, assertThrows } from "@std/assert";
import {
  type IdMapping,
  newSpec,
  withHostNetwork,
  withImageConfig,
  withMemoryLimit,
  withRootless,
  withUser,
} from "../../../spec/mod.ts";
import { GROUP, IMAGE, PASSWD } from "../_generated_specs.ts";

const SINGLE: readonly IdMapping[] = [{ containerID: 0, hostID: 1000, size: 1 }];
const SUBIDS: readonly IdMapping[] = [
  { containerID: 0, hostID: 1000, size: 1 },
  { containerID: 1, hostID: 100_000, size: 65_536 },
];
const image = withImageConfig(IMAGE, PASSWD, GROUP, { image: "a/b:1" });

Deno.test("withRootless() configures an unprivileged container", () => {
  const { linux, mounts } = newSpec(withRootless({ uidMap: SINGLE, gidMap: SUBIDS }));

  assertEquals(linux.namespaces?.filter(({ type }) => type === "user"), [{ type: "user" }]);
  assertEquals([linux.uidMappings, linux.gidMappings], [SINGLE, SUBIDS]);
  assertEquals(linux.resources, {});
  assertEquals(mounts.some(({ type }) => type === "cgroup"), false);
});

Deno.test("withRootless() keeps requested limits", () => {
  const options = [withMemoryLimit("1Mi"), withRootless({ uidMap: SINGLE, gidMap: SINGLE })];

  for (const order of [options, options.toReversed()]) {
    assertEquals(newSpec(...order).linux.resources, { memory: { limit: 1048576 } });
  }
});

Deno.test("withRootless() mounts control groups where they are delegated", () => {
  const { mounts } = newSpec(withRootless({ uidMap: SINGLE, gidMap: SINGLE, cgroups: true }));

  assertEquals(mounts.some(({ type }) => type === "cgroup"), true);
});

Deno.test.each([
  { name: "a mapped", gidMap: SUBIDS, grouped: true },
  { name: "no unmapped", gidMap: SINGLE, grouped: false },
])("withRootless() assigns terminals to $name group", ({ gidMap, grouped }) => {
  const { mounts } = newSpec(withRootless({ uidMap: SINGLE, gidMap }));

  const pts = mounts.find(({ type }) => type === "devpts");
  assertEquals(pts?.options?.includes("gid=5"), grouped);
});

Deno.test("withRootless() shows the host's /sys on the host's network, in either order", () => {
  const options = [withHostNetwork(), withRootless({ uidMap: SINGLE, gidMap: SINGLE })];
  const sys = (order: typeof options) =>
    newSpec(...order).mounts.find(({ destination }) => destination === "/sys");

  const bound = sys(options);
  assertEquals([bound?.type, bound?.source], ["bind", "/sys"]);
  assertEquals(["rbind", "ro"].every((option) => bound?.options?.includes(option)), true);
  assertEquals(sys(options.toReversed()), bound);
  assertEquals(sys(options.slice(1))?.type, "sysfs");
});

Deno.test("withRootless() drops supplementary groups, which runc rejects", () => {
  const rootless = withRootless({ uidMap: SUBIDS, gidMap: SUBIDS });

  for (const options of [[image, rootless], [rootless, image]]) {
    assertEquals(newSpec(...options).process.user, { uid: 1000, gid: 1000 });
  }
});

Deno.test("withRootless() keeps mapped supplementary groups if requested", () => {
  const few = [{ containerID: 0, hostID: 100_000, size: 1001 }];
  const gids = (gidMap: readonly IdMapping[]) =>
    newSpec(image, withRootless({ uidMap: SUBIDS, gidMap, additionalGids: true })).process.user
      .additionalGids;

  assertEquals(gids(SUBIDS), [44, 1000]);
  assertEquals(gids(few), [44, 1000]);
  assertEquals(gids([{ containerID: 1000, hostID: 1000, size: 1 }]), undefined);
  assertEquals(
    gids([{ containerID: 0, hostID: 1, size: 1 }, { containerID: 1000, hostID: 1000, size: 1 }]),
    [1000],
  );
});

Deno.test("withRootless() rejects an unmapped user", () => {
  const rootless = withRootless({ uidMap: SINGLE, gidMap: SINGLE });

  assertThrows(
    () => newSpec(rootless, image),
    RangeError,
    "Cannot run a/b:1 as user 1000: the user namespace has only these user IDs: 0. Map the ID",
  );
  assertThrows(() => newSpec(rootless, image, withUser("0:7")), RangeError, "group 7");
  assertEquals(newSpec(rootless, image, withUser("0")).process.user, { uid: 0, gid: 0 });
});

const range = (containerID: number, hostID: number, size: number) => ({
  containerID,
  hostID,
  size,
});
Deno.test.each([
  { name: "nothing", map: [] },
  { name: "an empty range", map: [range(0, 1, 0)] },
  { name: "a negative id", map: [range(-1, 1, 1)] },
  { name: "a fraction", map: [range(0.5, 1, 1)] },
  { name: "NaN", map: [range(NaN, 1, 1)] },
  { name: "more than 32 bits", map: [range(0, 4294967295, 2)] },
  { name: "overlaps inside", map: [range(0, 1, 2), range(1, 9, 1)] },
  { name: "overlaps outside", map: [range(5, 10, 5), range(0, 6, 5)] },
])("withRootless() refuses to map $name", ({ map }) => {
  assertThrows(() => withRootless({ uidMap: map, gidMap: SINGLE }), RangeError, "user IDs");
  assertThrows(() => withRootless({ uidMap: SINGLE, gidMap: map }), RangeError, "group IDs");
});
