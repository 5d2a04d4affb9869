import { assertEquals, assertThrows } from "@std/assert";
import { checkIntegers, checkLimits, checkPath } from "../../spec/error_facts.ts";

Deno.test("checkIntegers() accepts integers within the bounds, and missing ones", () => {
  checkIntegers("copy", { jobs: 1, tries: 5, rest: undefined }, 1, 5);
  checkIntegers("copy", { jobs: Number.MAX_SAFE_INTEGER }, 1);
});

for (const value of [0, -1, 1.5, NaN, Infinity, 6]) {
  Deno.test(`checkIntegers() rejects ${value} where 1 to 5 are valid`, () => {
    assertThrows(
      () => checkIntegers("copy", { tries: 2, jobs: value }, 1, 5),
      RangeError,
      `Cannot copy: "jobs" must be an integer from 1 to 5, but it is ${value}`,
    );
  });
}

Deno.test("checkIntegers() names no largest integer if all are valid", () => {
  assertThrows(
    () => checkIntegers("copy", { jobs: -1 }, 0),
    RangeError,
    'Cannot copy: "jobs" must be an integer >= 0, but it is -1',
  );
});

Deno.test("checkLimits() accepts numbers from 0 on, and missing ones", () => {
  checkLimits("copy", { bytes: 0, ratio: 1.5, layers: Infinity, rest: undefined });
});

Deno.test.each([-1, NaN])("checkLimits() rejects %d, and names the option", (value) => {
  const error = assertThrows(
    () => checkLimits("copy", { bytes: value }),
    RangeError,
    `Cannot copy: "bytes" must be >= 0, but it is ${value}`,
  );

  const { code, option } = { code: undefined, option: undefined, ...error };
  assertEquals([code, option] as unknown[], ["invalid-argument", "bytes"]);
});

Deno.test("checkPath() rejects only an empty path, and names the option", () => {
  checkPath("load", "/");
  const error = assertThrows(
    () => checkPath("load", "", "root"),
    RangeError,
    'Cannot load: the path must not be ""',
  );

  const { code, option } = { code: undefined, option: undefined, ...error };
  assertEquals([code, option] as unknown[], ["invalid-argument", "root"]);
});
