import { isGranted } from "../../spec/granted.ts";
import { resolve } from "../../spec/paths.ts";

/** Kinds of permissions, in the order in which the flags are printed. */
const KINDS = ["net", "read", "write", "env", "run", "sys", "ffi"] as const;

/** A kind of permission, the KIND of `--allow-KIND`. */
export type GrantKind = typeof KINDS[number];

/** Paths that Deno lets only processes with all permissions read or write. */
const GUARDED = /^\/(dev|proc|sys)(\/|$)/;

export class Grants {
  readonly #values = new Map<GrantKind, Set<string>>(KINDS.map((kind) => [kind, new Set()]));
  readonly #whole = new Set<GrantKind>();

  /** Grants a kind of permission for some values, such as hosts or paths. */
  add(kind: GrantKind, ...values: readonly string[]): void {
    for (const value of values) this.#values.get(kind)?.add(value);
  }

  /** Grants reading and writing paths. */
  addFiles(...paths: readonly string[]): void {
    this.add("read", ...paths);
    this.add("write", ...paths);
  }

  /** Grants kinds of permissions without restriction. */
  addWhole(...kinds: readonly GrantKind[]): void {
    for (const kind of kinds) this.#whole.add(kind);
  }

  /** Returns the flags of `deno run` that grant them, not quoted for a shell. */
  flags(): readonly string[] {
    const paths = (["read", "write"] as const).flatMap((kind) => [...this.#values.get(kind) ?? []]);
    if (paths.some((path) => GUARDED.test(absolute(path)))) return ["--allow-all"];
    return KINDS.flatMap((kind) => {
      const values = [...this.#values.get(kind) ?? []];
      // Deno cannot escape a comma in a list, so grant the whole kind.
      if (this.#whole.has(kind) || values.some((value) => value.includes(","))) {
        return [`--allow-${kind}`];
      }
      return values.length === 0 ? [] : [`--allow-${kind}=${values.join(",")}`];
    });
  }
}

/**
 * Returns the absolute form of a path, or the path itself if the current directory may not be read.
 */
function absolute(path: string): string {
  return isGranted({ name: "read", path: "." }) ? resolve(path) : path;
}
