import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { NameTable } from "../../../layer/trees/name_table.ts";
import { LimitError } from "../../../spec/mod.ts";

/** Names in a few directories: some are equal, some share a prefix, some are not valid text. */
const name = fc.tuple(
  fc.integer({ min: 0, max: 3 }),
  fc.oneof(
    fc.constantFrom("a", "ab", "b", "\udcff", "é", "x".repeat(300)),
    fc.string({ maxLength: 4 }),
  ),
);

Deno.test("NameTable finds the same names as a map", () => {
  const steps = fc.array(fc.tuple(fc.boolean(), name), { maxLength: 200 });

  fc.assert(fc.property(steps, (steps) => {
    const table = new NameTable();
    const map = new Map<string, number>();
    for (const [isAdded, [parent, text]] of steps) {
      const key = `${parent}/${text}`;
      const known = map.get(key);
      if (isAdded && known === undefined) map.set(key, table.add(parent, text));
      if (isAdded || known === undefined) continue;
      table.delete(known);
      table.free(known);
      map.delete(key);
    }

    const found = [...map].map(([key]) => {
      return table.find(Number(key[0]), key.slice(2));
    });
    assertEquals(found, [...map.values()]);
    assertEquals(
      [...map].map(([, number]) => table.nameOf(number)),
      [...map.keys()].map((key) => key.slice(2)),
    );
    assertEquals(new Set(map.values()).size, map.size);
    for (const [, [parent, text]] of steps) {
      assertEquals(table.find(parent, text), map.get(`${parent}/${text}`) ?? 0);
    }
  }));
});

Deno.test("NameTable finds each of a hundred thousand names", () => {
  const table = new NameTable();
  const names = Array.from({ length: 100_000 }, (_, i) => `name-${i}`);

  const numbers = names.map((name, i) => table.add(i % 7, name));

  assertEquals(names.map((name, i) => table.find(i % 7, name)), numbers);
  assertEquals(table.find(1, "name-0"), 0);
});

Deno.test("NameTable accepts empty names", () => {
  const table = new NameTable();

  const numbers = Array.from({ length: 200 }, (_, parent) => table.add(parent, ""));

  assertEquals(numbers.map((_, parent) => table.find(parent, "")), numbers);
  assertEquals(numbers.map((number) => table.nameOf(number)).join(""), "");
});

Deno.test("NameTable compares names by their code units", () => {
  const table = new NameTable();
  const names = ["b", "a-b", "a", "é", "ab", "", "\u{1f600}", "\uffff"];
  const numbers = names.map((name) => table.add(1, name));

  const sorted = numbers.sort((one, other) => table.compare(one, other));

  assertEquals(sorted.map((number) => table.nameOf(number)), names.sort());
});

Deno.test("NameTable accepts names up to the size of a block", () => {
  const table = new NameTable();
  const long = "x".repeat(65_536);

  const numbers = ["a", long, "b"].map((name) => table.add(1, name));

  assertEquals(numbers.map((number) => table.nameOf(number)), ["a", long, "b"]);
  assertThrows(() => table.add(1, `${long}x`), LimitError, "code units of a name");
});
