/**
 * Tests that cannot run everywhere. A test that is skipped says why at the end of its name, and
 * `deno task test` counts the reasons.
 *
 * @module
 */

/** The part of `Deno.test` that skippable tests use. */
export interface TestFunction {
  (name: string, fn: TestBody): void;
  (definition: Omit<Deno.TestDefinition, "fn" | "ignore">, fn: TestBody): void;
  (definition: Omit<Deno.TestDefinition, "ignore">): void;
  /** Registers a test for each case. */
  each: <T>(cases: readonly T[]) => (name: string, fn: EachBody<T>) => void;
}

type TestBody = (t: Deno.TestContext) => void | Promise<void>;
type EachBody<T> = (item: T, t: Deno.TestContext) => void | Promise<void>;

export interface TestUnlessOptions {
  /**
   * Whether the tests fail with `CI=true` instead of being skipped.
   *
   * @default {false}
   */
  readonly required?: boolean;
}

/** Whether this run must not skip tests because a program is missing or the user is not root. */
function isCi(): boolean {
  return ["1", "true"].includes(Deno.env.get("CI")?.toLowerCase() ?? "");
}

/**
 * Returns `Deno.test`, or a function that registers tests as skipped for a reason, such as
 * `"needs root"`. Several reasons are separated by `"; "`.
 */
export function testUnless(
  reason: string | undefined,
  options: TestUnlessOptions = {},
): TestFunction {
  if (reason === undefined) return Deno.test;
  const isRefused = options.required && isCi();
  const fail = () => {
    throw new Error(`Cannot skip a test with CI=true: ${reason}`);
  };
  const skip = (name: string) =>
    isRefused ? Deno.test(name, fail) : Deno.test.ignore(skippedName(name, reason), () => {});
  return Object.assign(
    (first: string | { readonly name: string }) =>
      skip(typeof first === "string" ? first : first.name),
    {
      each: <T>(cases: readonly T[]) => (name: string) =>
        isRefused
          ? Deno.test.each(cases)(name, fail)
          : Deno.test.ignore.each(cases)(skippedName(name, reason), () => {}),
    },
  );
}

/** The name under which a test is skipped. */
function skippedName(name: string, reason: string): string {
  return `${name} (skipped: ${reason})`;
}

/** Reason why tests that need root cannot run, if any. */
export const ROOT_REASON: string | undefined = Deno.uid() === 0 ? undefined : "needs root";

/** Registers a test that needs root; with `CI=true` it fails elsewhere. */
export const rootTest: TestFunction = testUnless(ROOT_REASON, { required: true });

/** Registers a test that needs Linux. */
export const linuxTest: TestFunction = testUnless(
  Deno.build.os === "linux" ? undefined : "needs Linux",
);

/** Registers a test that needs a POSIX system: signals, modes, named pipes. */
export const posixTest: TestFunction = testUnless(
  Deno.build.os === "windows" ? "needs a POSIX system" : undefined,
);

/** Registers a test that needs a user other than root, for whom file modes matter. */
export const userTest: TestFunction = testUnless(
  Deno.build.os === "windows" || Deno.uid() === 0 ? "needs an ordinary user" : undefined,
);
