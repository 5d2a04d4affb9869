import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { type NativeLibc, openLibc } from "../../../layer/linux/native_libc.ts";
import { linuxTest } from "../../_support/skip.ts";

const AT_FDCWD = -100;
const ENOENT = 2;
const MISSING = new TextEncoder().encode("/nowhere/at all\0");

function requireLibc(): NativeLibc {
  const libc = openLibc();
  assert(typeof libc !== "string");
  return libc;
}

linuxTest("openLibc() calls a function by its address before it compiles it", () => {
  using libc = requireLibc();
  const { symbols } = libc;
  const first = symbols.openat;
  const results: number[] = [];
  const errors: number[] = [];

  for (let call = 0; call < 300; call++) {
    results.push(symbols.openat(AT_FDCWD, MISSING, 0, 0));
    errors.push(libc.errno());
  }

  assertEquals(new Set(results), new Set([-1]));
  assertEquals(new Set(errors), new Set([ENOENT]));
  // The compiled function has replaced it.
  assertNotStrictEquals(symbols.openat, first);
});

linuxTest("openLibc() keeps calling a rarely used function by its address", () => {
  using libc = requireLibc();
  const { symbols } = libc;
  const first = symbols.close;

  for (let call = 0; call < 20; call++) assertEquals(symbols.close(-1), -1);

  assertStrictEquals(symbols.close, first);
});

linuxTest("compile() replaces every function, including nonblocking ones", async () => {
  using libc = requireLibc();
  const { symbols } = libc;
  const first = symbols.close;

  libc.compile();

  assertNotStrictEquals(symbols.close, first);
  assertEquals(symbols.close(-1), -1);
  assertEquals(await symbols.syncfs(-1), -1);
});
