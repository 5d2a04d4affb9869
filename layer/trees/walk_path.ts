import { withCode } from "../../spec/error_facts.ts";

/** Maximum number of symbolic links in a path, as in the kernel. */
export const MAX_LINKS = 40;

/** Steps of {@linkcode walkPath}. */
export interface PathSteps<Place extends object> {
  /** Returns the parent of a place. The root is its own parent. */
  readonly parent: (place: Place) => Place;
  /**
   * Enters a name.
   *
   * @param place The current place.
   * @param name The name.
   * @param byLink Whether a symlink led to the place.
   * @param rest The remaining components, the last one first.
   * @returns The place of the name, or the target of a symlink; `undefined` ends the walk.
   */
  readonly enter: (
    place: Place,
    name: string,
    byLink: boolean,
    rest: readonly string[],
  ) => Place | string | undefined;
  /**
   * Whether a name exists. If given, the walk passes over missing names that `..` leaves again.
   *
   * By default, every name is entered.
   */
  readonly exists?: ((place: Place, name: string) => boolean) | undefined;
}

/**
 * Walks along a path from a root that neither `..` nor symlinks can leave.
 *
 * @returns The place that the path leads to; `undefined` if a step ended the walk.
 * @throws {Deno.errors.FilesystemLoop} If there are more than {@linkcode MAX_LINKS} symlinks.
 */
export function walkPath<Place extends object>(
  path: string,
  root: Place,
  { parent, enter, exists }: PathSteps<Place>,
): Place | undefined {
  let place = root;
  let links = 0;
  const parts = path.split("/").reverse();
  let hasParents = exists !== undefined && parts.includes("..");
  for (let name = parts.pop(); name !== undefined; name = parts.pop()) {
    if (name === "" || name === ".") continue;
    if (name === "..") {
      place = parent(place);
      continue;
    }
    if (hasParents && !exists?.(place, name)) {
      const end = endOfDetour(parts);
      if (end !== undefined) {
        parts.length = end;
        continue;
      }
    }
    const next = enter(place, name, links > 0, parts);
    if (next === undefined) return undefined;
    if (typeof next !== "string") {
      place = next;
      continue;
    }
    if (++links > MAX_LINKS) {
      const error = new Deno.errors.FilesystemLoop(`too many symbolic links in "${path}"`);
      throw withCode(error, "ELOOP");
    }
    if (next.startsWith("/")) place = root;
    const target = next.split("/").reverse();
    hasParents ||= exists !== undefined && target.includes("..");
    parts.push(...target);
  }
  return place;
}

/**
 * Returns how many of the components after a name remain once `..` has left it; `undefined` if none
 * leaves it.
 *
 * @param parts The components, the last one first.
 */
function endOfDetour(parts: readonly string[]): number | undefined {
  let depth = 1;
  for (let end = parts.length - 1; end >= 0; end--) {
    const name = parts[end];
    if (name === "" || name === ".") continue;
    depth += name === ".." ? -1 : 1;
    if (depth === 0) return end;
  }
  return undefined;
}
