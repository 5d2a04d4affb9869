import { openLibc } from "./native_libc.ts";

/**
 * Keeps the native backend loaded until the result is disposed of: loading it takes milliseconds.
 * Does nothing if it is not available.
 *
 * @returns A handle to dispose of.
 */
export function keepNativeBackend(): Disposable {
  const libc = openLibc();
  return typeof libc === "string" ? { [Symbol.dispose]() {} } : libc;
}
