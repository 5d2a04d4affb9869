import { dirname } from "@std/path/dirname";
import { resolve } from "@std/path/resolve";
import { copyDirectoryMetadata, moveEntry } from "../layer/merge_layer.ts";
import { openFileTree, type OpenFileTreeOptions } from "../layer/open_tree.ts";
import { lstatIfAny } from "./_durable.ts";
import { BASE_STAGE } from "./_layer_stage.ts";
import { removeTree } from "./_remove_tree.ts";
import { UnpackError } from "./unpack_error.ts";

/** The directory that an image is unpacked into. On failure it is left as it was found. */
export class UnpackRoot implements AsyncDisposable {
  /** Its absolute path. */
  readonly path: string;
  /** Whether there is anything in it that this process has not put there. */
  readonly isEmpty: boolean;
  /** Where the layers are extracted until they are complete; empty at first. */
  readonly work: string;
  /** The outermost directory that was made for it, if any was. */
  readonly #made: string | undefined;
  #isPublished = false;

  private constructor(path: string, isEmpty: boolean, made: string | undefined) {
    this.path = path;
    this.isEmpty = isEmpty;
    this.work = `${path}/.oci-unpack-${crypto.randomUUID()}`;
    this.#made = made;
  }

  /**
   * Makes the directory if it is not there.
   *
   * @param directory Its path.
   * @param force Whether it may hold something.
   */
  static async open(directory: string, force: boolean): Promise<UnpackRoot> {
    const made = await makeDirectories(resolve(directory));
    const path = await Deno.realPath(directory);
    try {
      const isEmpty = await hasNoEntries(path, directory);
      if (!isEmpty && !force) {
        throw new UnpackError(
          `Cannot unpack into "${directory}": it is not empty; choose another directory, or ` +
            "allow what is there to be replaced with force",
          path,
        );
      }
      const root = new UnpackRoot(path, isEmpty, made);
      if (isEmpty) await Deno.mkdir(root.work, { mode: 0o700 });
      return root;
    } catch (error) {
      if (made !== undefined) await removeTree(made);
      throw error;
    }
  }

  /** Moves the stage of the base, with all layers in it, to where it is to be. */
  async publish(describesRoot: boolean, options: OpenFileTreeOptions): Promise<void> {
    using tree = openFileTree(this.path, options);
    const stage = `${this.work.slice(this.path.length + 1)}/${BASE_STAGE}`;
    // An image without layers has no stage.
    const described = tree.status(stage);
    for (const name of described === undefined ? [] : tree.list(stage)) {
      moveEntry(tree, `${stage}/${name}`, name);
    }
    if (described !== undefined && describesRoot) {
      copyDirectoryMetadata(tree, stage, "", described);
    }
    this.#isPublished = true;
    const { mode = 0o755, mtime = 0, mtimeNs = 0 } = tree.status("") ?? {};
    using root = tree.open("");
    // Its owner may be denied by the image to change it.
    root.setMode(mode | 0o700);
    await removeTree(this.work);
    root.setMode(mode);
    root.setTimes(mtime, mtimeNs);
  }

  /** Begins anew with the stages. */
  async clear(): Promise<void> {
    await removeTree(this.work);
    await Deno.mkdir(this.work, { mode: 0o700 });
  }

  /** What was made in place is to stay. */
  keep(): void {
    this.#isPublished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isPublished) return;
    await removeTree(this.#made ?? this.work);
  }
}

async function hasNoEntries(path: string, directory: string): Promise<boolean> {
  try {
    for await (const _ of Deno.readDir(path)) return false;
    return true;
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotADirectory)) throw cause;
    const what = "it is not a directory; choose another name";
    throw new UnpackError(`Cannot unpack into "${directory}": ${what}`, path, { cause });
  }
}

/** Makes a directory and its parents: the outermost of those that were not there. */
async function makeDirectories(path: string): Promise<string | undefined> {
  const missing: string[] = [];
  for (let at = path; await lstatIfAny(at) === undefined; at = dirname(at)) missing.unshift(at);
  const [outermost] = missing;
  try {
    for (const directory of missing) {
      await Deno.mkdir(directory);
      // Not by the call above, whose mode the umask narrows.
      if (Deno.build.os !== "windows") await Deno.chmod(directory, 0o755);
    }
  } catch (error) {
    if (outermost !== undefined) await removeTree(outermost);
    throw error;
  }
  return outermost;
}
