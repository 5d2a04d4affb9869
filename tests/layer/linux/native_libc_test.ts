import { assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { openLibc } from "../../../layer/linux/native_libc.ts";

const AT_FDCWD = -100;
const ENOENT = 2;
const MISSING = new TextEncoder().encode("/nowhere/at all\0");

function open() {
  const libc = openLibc();
  return typeof libc === "string" ? undefined : libc;
}

const unavailable = (() => {
  using libc = open();
  return libc === undefined;
})();

Deno.test({
  name: "openLibc() calls a function by its address before it compiles it",
  ignore: unavailable,
  fn: () => {
    using libc = open();
    const { symbols } = libc as NonNullable<typeof libc>;
    const first = symbols.openat;
    const results: number[] = [];
    const errors: (number | undefined)[] = [];

    for (let call = 0; call < 300; call++) {
      results.push(symbols.openat(AT_FDCWD, MISSING, 0, 0));
      errors.push(libc?.errno());
    }

    assertEquals(new Set(results), new Set([-1]));
    assertEquals(new Set(errors), new Set([ENOENT]));
    // The compiled function takes its place.
    assertNotStrictEquals(symbols.openat, first);
  },
});

Deno.test({
  name: "openLibc() keeps calling the address of a function that is used little",
  ignore: unavailable,
  fn: () => {
    using libc = open();
    const { symbols } = libc as NonNullable<typeof libc>;
    const first = symbols.close;

    for (let call = 0; call < 20; call++) assertEquals(symbols.close(-1), -1);

    assertStrictEquals(symbols.close, first);
  },
});

Deno.test({
  name: "compile() replaces every function, nonblocking ones included",
  ignore: unavailable,
  fn: async () => {
    using libc = open();
    const { symbols } = libc as NonNullable<typeof libc>;
    const first = symbols.close;

    libc?.compile();

    assertNotStrictEquals(symbols.close, first);
    assertEquals(symbols.close(-1), -1);
    assertEquals(await symbols.syncfs(-1), -1);
  },
});
