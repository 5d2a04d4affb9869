import { formatReference, parseReference } from "../../registry/reference.ts";
import type { StoredReference } from "./layout_index.ts";

/**
 * Finds the entry of a name. Other tools write short names, such as `alpine:3` or only a tag, so a
 * name also matches entries with the same full reference; an exact match takes precedence.
 *
 * @param references The entries.
 * @param name The name, in full or short.
 * @returns The entry, or `undefined` if there is none.
 */
export function findReference(
  references: readonly StoredReference[],
  name: string,
): StoredReference | undefined {
  const exact = references.find((reference) => reference.name === name);
  if (exact !== undefined) return exact;
  const full = fullName(name);
  return references.find((reference) => reference.name === full) ??
    references.find((reference) => fullName(reference.name) === full);
}

/** Returns the full reference of a name, as docker completes it; any other text as it is. */
export function fullName(name: string): string {
  try {
    return formatReference(parseReference(name));
  } catch {
    return name;
  }
}
