import { assertEquals } from "@std/assert";
import { BoundedMap } from "../../../registry/transport/bounded_map.ts";

Deno.test("BoundedMap drops its oldest entry, and a key that is set again is new", () => {
  const map = new BoundedMap<string, number>(2);

  map.set("a", 1).set("b", 2).set("a", 3).set("c", 4);

  assertEquals([...map], [["a", 3], ["c", 4]]);
});
