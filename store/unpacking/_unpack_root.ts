import { dirname, resolve } from "../../spec/paths.ts";
import { copyDirectoryMetadata, openUpDirectory } from "../../layer/trees/directory_metadata.ts";
import type { TreeBackend } from "../../layer/trees/file_tree.ts";
import { moveEntry } from "../../layer/extraction/merge_layer.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import { lstatIfAny } from "../host/durable.ts";
import { BASE_STAGE } from "../stages/layer_staging.ts";
import { lockDirectory } from "../host/lock_directory.ts";
import { removeTree } from "../host/remove_tree.ts";
import { UnpackError } from "../errors.ts";

/** What the work directory in it is called: what a process that is killed leaves is known by it. */
const WORK_NAME = /^\.oci-unpack-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const NOT_EMPTY = "it is not empty; choose another directory, or allow what is there to be " +
  "replaced with force";
const TAKEN =
  "another process is unpacking into it; wait until it ends, or choose another directory";

/** The directory that an image is unpacked into. On failure it is left as it was found. */
export class UnpackRoot implements AsyncDisposable {
  /** Its absolute path. */
  readonly path: string;
  /** Whether there is nothing in it but what this process has put there. */
  readonly isEmpty: boolean;
  /** Where the layers are extracted until they are complete; there, and empty, if `isEmpty`. */
  readonly work: string;
  /** The directories that were made for it, the innermost first. */
  readonly #made: readonly string[];
  /** Holds the work directory. */
  readonly #hold: AsyncDisposable | undefined;
  #isPublished = false;

  private constructor(
    path: string,
    work: string,
    made: readonly string[],
    hold: AsyncDisposable | undefined,
  ) {
    this.path = path;
    this.isEmpty = hold !== undefined;
    this.work = work;
    this.#made = made;
    this.#hold = hold;
  }

  /**
   * Makes the directory if it is not there. What a process that was killed has left in it is
   * removed, if nothing else is there or `force` is true.
   *
   * @param directory Its path.
   * @param force Whether it may hold something.
   * @throws {UnpackError} If it holds something, or another process is unpacking into it.
   */
  static async open(directory: string, force: boolean): Promise<UnpackRoot> {
    const made = await makeDirectories(resolve(directory));
    try {
      const path = await Deno.realPath(directory);
      const refuse = (why: string) => {
        return new UnpackError(`Cannot unpack into "${directory}": ${why}`, path);
      };
      if (!(await Deno.stat(path)).isDirectory) {
        throw refuse("it is not a directory; choose another name");
      }
      const { works, hasOthers } = await look(path);
      if (hasOthers && !force) throw refuse(NOT_EMPTY);
      const outcomes = await Promise.all(works.map((name) => removeWork(`${path}/${name}`)));
      if (outcomes.includes("taken")) throw refuse(TAKEN);
      const isEmpty = !hasOthers && !outcomes.includes("unknown");
      if (!isEmpty && !force) throw refuse(NOT_EMPTY);
      const work = `${path}/.oci-unpack-${crypto.randomUUID()}`;
      const hold = isEmpty ? await makeWork(path, work) : undefined;
      if (isEmpty && hold === undefined) throw refuse(TAKEN);
      return new UnpackRoot(path, work, made, hold);
    } catch (error) {
      await removeEmpty(made);
      throw error;
    }
  }

  /** Where the base is extracted, and the layers above it are put over it. */
  get base(): string {
    return `${this.work}/${BASE_STAGE}`;
  }

  /** Makes that directory, for who does without stages. */
  async makeBase(): Promise<string> {
    await Deno.mkdir(this.base, { mode: 0o700 });
    return this.base;
  }

  /** Moves the stage of the base, with all layers in it, to where it is to be. */
  async publish(describesRoot: boolean, backend: TreeBackend): Promise<void> {
    using tree = openFileTree(this.path, { backend });
    const stage = this.base.slice(this.path.length + 1);
    // An image without layers has no stage.
    const described = tree.status(stage);
    using root = tree.open("");
    if (described !== undefined) {
      openUpDirectory(tree, stage, described);
      for (const name of tree.list(stage)) moveEntry(tree, `${stage}/${name}`, name);
      using model = tree.open(stage);
      if (describesRoot) copyDirectoryMetadata(model, root, described);
    }
    this.#isPublished = true;
    const { mode = 0o755, mtime = 0, mtimeNs = 0 } = tree.status("") ?? {};
    // Its owner may be denied by the image to change it.
    root.setMode(mode | 0o700);
    await this.#hold?.[Symbol.asyncDispose]();
    root.setMode(mode);
    root.setTimes(mtime, mtimeNs);
  }

  /** Begins anew with the stages. */
  async clear(): Promise<void> {
    // It stays itself, since it is locked.
    for await (const { name } of Deno.readDir(this.work)) await removeTree(`${this.work}/${name}`);
  }

  /** What was made in place is to stay. */
  keep(): void {
    this.#isPublished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#hold?.[Symbol.asyncDispose]();
    const [root, ...parents] = this.#made;
    if (this.#isPublished || root === undefined) return;
    await removeTree(root);
    await removeEmpty(parents);
  }
}

/** Finds the work directories in a directory, and whether it has anything else. */
async function look(
  path: string,
): Promise<{ readonly works: readonly string[]; readonly hasOthers: boolean }> {
  const works: string[] = [];
  let hasOthers = false;
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory && WORK_NAME.test(name)) works.push(name);
    else hasOthers = true;
  }
  return { works, hasOthers };
}

/**
 * Removes a work directory that is nobody's any more.
 *
 * @returns Whether it is gone, or another process has it, or neither can be told or done.
 */
async function removeWork(path: string): Promise<"removed" | "taken" | "unknown"> {
  const lock = await lockDirectory(path);
  if (typeof lock === "string") return lock;
  using _lock = lock;
  try {
    await removeTree(path);
    return "removed";
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return "unknown";
    throw error;
  }
}

/**
 * Makes a work directory, and holds it until it is disposed of, when it is removed.
 *
 * @returns Nothing if another process is making one in the same directory.
 */
async function makeWork(path: string, work: string): Promise<AsyncDisposable | undefined> {
  await using stack = new AsyncDisposableStack();
  await Deno.mkdir(work, { mode: 0o700 });
  const lock = await lockDirectory(work);
  if (typeof lock === "object") stack.use(lock);
  stack.defer(() => removeTree(work));
  // Of two that begin at once, one at least sees the other's; or misses its own, which the other
  // has removed before it was locked.
  const { works } = await look(path);
  const isAlone = works.length === 1 && work === `${path}/${works[0]}`;
  return isAlone && lock !== "taken" ? stack.move() : undefined;
}

/** Makes a directory and its parents: those that were not there, the innermost first. */
async function makeDirectories(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = path; lstatIfAny(at) === undefined; at = dirname(at)) missing.unshift(at);
  const made: string[] = [];
  try {
    for (const directory of missing) {
      try {
        await Deno.mkdir(directory);
      } catch (error) {
        // Another process has been faster: it is that one's.
        if (error instanceof Deno.errors.AlreadyExists) continue;
        throw error;
      }
      made.unshift(directory);
      // Not by the call above, whose mode the umask narrows.
      if (Deno.build.os !== "windows") await Deno.chmod(directory, 0o755);
    }
  } catch (error) {
    await removeEmpty(made);
    throw error;
  }
  return made;
}

/** Removes directories, the innermost first, until one has something that others have put there. */
async function removeEmpty(directories: readonly string[]): Promise<void> {
  for (const directory of directories) {
    try {
      await Deno.remove(directory);
    } catch {
      // What is in it is somebody else's, or it is gone: those around it stay as well then.
      return;
    }
  }
}
