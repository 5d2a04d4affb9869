import { assertEquals } from "@std/assert";
import { newSpec, parseSubIds, rootlessMap, withRootless } from "../../../spec/mod.ts";

Deno.test("parseSubIds() finds lines by name and by number", () => {
  const text = "root:1:1\napp:100000:65536\r\n\n# comment\n1000:300000:5\napp:400000:1";

  assertEquals(parseSubIds(text, "app", 1000), [
    { start: 100_000, count: 65_536 },
    { start: 300_000, count: 5 },
    { start: 400_000, count: 1 },
  ]);
  assertEquals(parseSubIds(text, "nobody", 7), []);
});

const INVALID: string[] = ["app", "app:1", "app:x:1", "app:1:x", "app:-1:1", "app:1:0", "app::"];
Deno.test.each([...INVALID, "app:4294967295:2", "app:99999999999:1", "app:1:0x10"])(
  "parseSubIds() skips %s",
  (line) => {
    assertEquals(parseSubIds(`${line}\napp:5:5`, "app", 1000), [{ start: 5, count: 5 }]);
  },
);

Deno.test("rootlessMap() maps consecutive container IDs to the ranges", () => {
  const ranges = [{ start: 100_000, count: 10 }, { start: 300_000, count: 5 }];

  const map = rootlessMap(1000, ranges);

  assertEquals(map, [
    { containerID: 0, hostID: 1000, size: 1 },
    { containerID: 1, hostID: 100_000, size: 10 },
    { containerID: 11, hostID: 300_000, size: 5 },
  ]);
  assertEquals(newSpec(withRootless({ uidMap: map, gidMap: map })).linux.uidMappings, map);
  assertEquals(rootlessMap(1000, []), [{ containerID: 0, hostID: 1000, size: 1 }]);
});
