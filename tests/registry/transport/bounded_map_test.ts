import { assertEquals } from "@std/assert";
import { BoundedMap } from "../../../registry/transport/bounded_map.ts";

Deno.test("BoundedMap drops its oldest entry, and a key that is set again is new", () => {
  const map = new BoundedMap<string, number>(2);

  map.set("a", 1).set("b", 2).set("a", 3).set("c", 4);

  assertEquals([...map], [["a", 3], ["c", 4]]);
});

Deno.test("BoundedMap computes missing values, and a key that is used again is new", () => {
  const map = new BoundedMap<string, number>(2);

  const values = ["a", "b", "a", "c", "a"].map((key, i) => map.getOrInsertComputed(key, () => i));

  assertEquals(values, [0, 1, 0, 3, 0]);
  assertEquals([...map], [["c", 3], ["a", 0]]);
});

Deno.test("BoundedMap reports the values that it drops, and no others", () => {
  const dropped: number[] = [];
  const map = new BoundedMap<string, number>(2, (value) => dropped.push(value));

  map.set("a", 1).set("b", 2).set("a", 3).set("c", 4).delete("c");
  map.getOrInsertComputed("d", () => 5);
  map.getOrInsertComputed("e", () => 6);

  assertEquals(dropped, [2, 3]);
});
