import type { ContentStore } from "../content/content_store.ts";
import { lstatIfAny, namesIn, removeIfAny } from "../host/files.ts";
import { dirname, resolve } from "../../spec/paths.ts";

/** Returns the directories that creating a directory creates, from the inside out. */
export function missingDirectories(path: string): readonly string[] {
  const missing: string[] = [];
  for (let at = resolve(path); lstatIfAny(at) === undefined; at = dirname(at)) missing.push(at);
  return missing;
}

/**
 * Removes the files of a layout, unless it has content. Nothing else may use it meanwhile.
 *
 * @returns Whether it had no content.
 */
export async function removeEmptyLayout(layout: ContentStore): Promise<boolean> {
  const { path } = layout;
  const blobs = `${path}/blobs`;
  const algorithms = namesIn(blobs).map((name) => `${blobs}/${name}`);
  if (!algorithms.every((folder) => lstatIfAny(folder)?.isDirectory)) return false;
  if ((await layout.descriptors()).length > 0 || algorithms.flatMap(namesIn).length > 0) {
    return false;
  }
  for (const name of ["oci-layout", "index.json"]) removeIfAny(`${path}/${name}`);
  for (const folder of [...algorithms, blobs]) removeIfAny(folder);
  return true;
}

/** Removes directories, from the inside out, up to the first one that is not empty. */
export async function removeEmptyDirectories(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    try {
      await Deno.remove(path);
    } catch {
      // Something else uses it.
      return;
    }
  }
}
