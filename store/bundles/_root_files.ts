import type { FileTree } from "../../layer/trees/file_tree.ts";
import { LimitError } from "../../spec/errors.ts";
import { followPath } from "../host/follow_path.ts";
import { BundleError } from "../errors.ts";

/** Maximum size of a text file; real ones have at most some hundred kilobytes. */
const MAX_TEXT_BYTES = 4_194_304;

/** Reads a text of a root file system; empty if there is no such file. */
export function readRootText(tree: FileTree, path: string): string {
  const { real } = followPath(tree, path, { followLast: true });
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
  const missing = (path: string) => {
    tree.makeDirectory(path);
    using directory = tree.open(path);
    directory.setMode(0o755);
    return true;
  };
  const { real } = followPath(tree, path, { followLast: true, missing });
  if (real !== undefined && tree.status(real)?.type === "directory") return;
  throw new BundleError(
    `Cannot run in "${path}" as the image has something else there than a directory; ` +
      "choose another working directory",
    tree.root,
  );
}
