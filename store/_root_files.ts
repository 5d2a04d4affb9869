import type { FileTree } from "../layer/mod.ts";
import { LimitError } from "../spec/mod.ts";
import { BundleError } from "./bundle.ts";

/** Links that are followed for one path, as the kernel limits them. */
const MAX_LINKS = 40;
/** The most bytes of a text that is read; the largest of real ones have some hundred kilobytes. */
const MAX_TEXT_BYTES = 4_194_304;

/**
 * Follows a path in a root file system as a program in it would: links are resolved inside the
 * root, `..` stops there. The kernel's own resolution would lead out to the host.
 */
class RootPath {
  readonly #tree: FileTree;
  #links = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /**
   * The real path of something. What is missing is given to `missing`, which may make it;
   * `undefined` if it does not.
   */
  resolve(path: string, missing: (path: string) => boolean = () => false): string | undefined {
    const found: string[] = [];
    const parts = path.split("/").reverse();
    for (let name = parts.pop(); name !== undefined; name = parts.pop()) {
      if (name === "" || name === ".") continue;
      if (name === "..") {
        found.pop();
        continue;
      }
      const next = [...found, name].join("/");
      const status = this.#tree.status(next);
      if (status?.type === "symlink") {
        if (++this.#links > MAX_LINKS) return undefined;
        const target = this.#tree.readLink(next);
        if (target.startsWith("/")) found.length = 0;
        parts.push(...target.split("/").reverse());
        continue;
      }
      const isLast = parts.length === 0;
      const isThere = status === undefined ? missing(next) : true;
      if (!isThere || (!isLast && status !== undefined && status.type !== "directory")) {
        return undefined;
      }
      found.push(name);
    }
    return found.join("/");
  }
}

/** Reads a text of a root file system; empty if there is no such file. */
export function readRootText(tree: FileTree, path: string): string {
  const real = new RootPath(tree).resolve(path);
  const status = real === undefined ? undefined : tree.status(real);
  // A device or a pipe would be read without an end.
  if (real === undefined || status?.type !== "file") return "";
  if (status.size > MAX_TEXT_BYTES) {
    throw new LimitError("bytes", MAX_TEXT_BYTES, status.size, `the image's "${path}"`);
  }
  using file = tree.openFile(real);
  const bytes = new Uint8Array(status.size);
  let length = 0;
  while (length < bytes.length) {
    const count = file.read(bytes.subarray(length));
    if (count === 0) break;
    length += count;
  }
  return new TextDecoder().decode(bytes.subarray(0, length));
}

/** Makes a directory of a root file system, and those that it is in, unless it is there. */
export function ensureRootDirectory(tree: FileTree, path: string): void {
  const real = new RootPath(tree).resolve(path, (missing) => {
    tree.makeDirectory(missing);
    using directory = tree.open(missing);
    directory.setMode(0o755);
    return true;
  });
  if (real !== undefined && tree.status(real)?.type === "directory") return;
  throw new BundleError(
    `Cannot run in "${path}" as the image has something else there than a directory; ` +
      "choose another working directory",
    tree.root,
  );
}
