import { unlessRejected } from "../../spec/error_facts.ts";
import { dirname, resolve } from "../../spec/paths.ts";

/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * Resolves a path for writing: the target of its symlinks, even if the last one is dangling, so
 * that the file can be created or replaced where they lead.
 *
 * @throws {Deno.errors.FilesystemLoop} If there are too many links.
 */
export async function followLinks(path: string): Promise<string> {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const real = await unlessRejected(Deno.realPath(target), Deno.errors.NotFound);
    if (real !== undefined) return real;
    let link: string;
    try {
      link = await Deno.readLink(target);
    } catch {
      // The file does not exist and will be created here.
      return target;
    }
    target = resolve(dirname(target), link);
  }
  throw new Deno.errors.FilesystemLoop(`Cannot resolve "${path}": too many levels of symlinks`);
}
