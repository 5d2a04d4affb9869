import { openLibc } from "./_native_libc.ts";

/**
 * Keeps the native backend loaded until the result is disposed of, so that several short uses of it
 * do not each take the milliseconds of loading. Does nothing where there is none.
 *
 * @returns What to dispose of.
 */
export function keepNativeBackend(): Disposable {
  const libc = openLibc();
  return typeof libc === "string" ? { [Symbol.dispose]() {} } : libc;
}
