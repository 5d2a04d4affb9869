import { isGranted, isGuardedPath } from "../../spec/granted.ts";
import { dirname, join, resolve } from "../../spec/paths.ts";

/** Kinds of permissions, in the order in which the flags are printed. */
const KINDS = ["net", "read", "write", "env", "run", "sys", "ffi"] as const;

/** A kind of permission, the KIND of `--allow-KIND`. */
export type GrantKind = typeof KINDS[number];

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
    const granted = new Map([...this.#values].map(([kind, values]) => {
      const isPath = kind === "read" || kind === "write";
      return [kind, isPath ? new Set([...values].flatMap(withTarget)) : values] as const;
    }));
    const paths = [...granted.get("read") ?? [], ...granted.get("write") ?? []];
    if (paths.some((path) => isGuardedPath(absolute(path)))) return ["--allow-all"];
    return KINDS.flatMap((kind) => {
      const values = [...granted.get(kind) ?? []];
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

/** Returns a path and, if symlinks in it lead elsewhere, its target: Deno checks both. */
function withTarget(path: string): readonly string[] {
  const start = absolute(path);
  for (let parent = start;; parent = dirname(parent)) {
    const real = realPathIfAny(parent);
    if (real === undefined && parent !== dirname(parent)) continue;
    const target = real === undefined ? start : join(real, start.slice(parent.length));
    return target === start ? [path] : [path, target];
  }
}

/** Returns the path without symlinks; `undefined` if it does not exist or may not be read. */
function realPathIfAny(path: string): string | undefined {
  if (!isGranted({ name: "read", path })) return undefined;
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}
