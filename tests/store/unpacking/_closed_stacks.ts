import fc from "fast-check";
import { concat, dir, file, hardlink, opaque, symlink, tar, whiteout } from "../../_support/tar.ts";

const NAME = fc.constantFrom("a", "b", "c");
const PATH = fc.array(NAME, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
const DIRECTORY = fc.oneof(PATH, fc.constant("."));
const TARGET = fc.constantFrom("a", "/b", "../c", "a/b", "/a/b/c", ".");
/** Modes, most of which deny the owner something. */
const MODE = fc.constantFrom(0, 0o111, 0o333, 0o444, 0o555, 0o600, 0o700, 0o755, 0o1777);
const FILE_MODE = fc.constantFrom(0, 0o444, 0o644, 0o4755);
const TIME = fc.constantFrom(0, 1_600_000_000);

/** A file that any entry can be a hard link to. */
const LOCKED = "locked/file";

const ENTRY = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(DIRECTORY, MODE, TIME).map(([name, mode, mtime]) => {
      return dir(name, { mode, mtime });
    }),
  },
  {
    weight: 6,
    arbitrary: fc.tuple(PATH, fc.string(), FILE_MODE).map(([name, text, mode]) => {
      return file(name, text, { mode });
    }),
  },
  { weight: 1, arbitrary: fc.tuple(PATH, TARGET).map(([name, to]) => symlink(name, to)) },
  { weight: 1, arbitrary: PATH.map((name) => hardlink(name, LOCKED)) },
  {
    weight: 2,
    arbitrary: fc.tuple(PATH, PATH).map(([name, to]) => concat(file(to, name), hardlink(name, to))),
  },
  { weight: 3, arbitrary: PATH.map((name) => whiteout(name)) },
  { weight: 2, arbitrary: PATH.map((name) => opaque(name)) },
);
const ENTRIES = fc.array(ENTRY, { minLength: 1, maxLength: 12 });
const BASE = [dir("locked", { mode: 0 }), file(LOCKED, "locked")];
const STACK = fc.array(ENTRIES, { minLength: 1, maxLength: 4 }).map(([base = [], ...others]) => [
  tar(...BASE, ...base),
  ...others.map((entries) => tar(...entries)),
]);

/** Stacks with such a directory in each place of a merge of layers. */
function stacksOf(mode: number): readonly (readonly Uint8Array[])[] {
  return [
    [tar(dir("proc", { mode }), file("proc/f", "x"))],
    [tar(dir("usr")), tar(dir("usr"), dir("usr/share", { mode }), file("usr/share/f", "x"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(file("d/a/b", "b"))],
    [tar(dir("d", { mode }), dir("d/e", { mode }), file("d/e/f", "f")), tar(whiteout("d/e/f"))],
    [tar(dir("d", { mode }), dir("d/e"), file("d/e/f", "f")), tar(file("d/e/g", "g"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(opaque("d"), dir("d/e", { mode }))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(file("d", "a file"))],
    [tar(file("f", "f")), tar(dir("f", { mode }), symlink("f/l", "..")), tar(file("f/l/g", "g"))],
    [tar(dir("d", { mode }), file("d/f", "f")), tar(hardlink("h", "d/f"), whiteout("d"))],
    [tar(dir(".", { mode }), file("f", "f")), tar(file("g", "g"))],
    [tar(dir("d"), file("d/f", "f")), tar(dir(".", { mode }), dir("d", { mode }), file("d/g", ""))],
  ];
}

/**
 * Returns stacks of layers with directories that their owner may not use. The same seed gives the
 * same stacks.
 *
 * @param count Number of random stacks, in addition to those written by hand.
 */
export function closedStacks(count: number, seed: number): readonly (readonly Uint8Array[])[] {
  const thoughtOf = [0o555, 0o444, 0o111, 0o600, 0].flatMap(stacksOf);
  return [...thoughtOf, ...fc.sample(STACK, { numRuns: count, seed })];
}
