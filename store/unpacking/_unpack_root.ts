import { openFileTree } from "../../layer/disk/open_tree.ts";
import { type Ownership, setImpliedOwner } from "../../layer/extraction/ownership.ts";
import { copyDirectoryMetadata, openUpDirectory } from "../../layer/trees/directory_metadata.ts";
import type { FileStatus, FileTree, TreeBackend } from "../../layer/trees/file_tree.ts";
import { moveEntry } from "../../layer/trees/move_entry.ts";
import { removeEntry } from "../../layer/trees/remove_entry.ts";
import { checkPath } from "../../spec/error_facts.ts";
import type { ErrorFacts } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { resolve } from "../../spec/paths.ts";
import { UnpackError } from "../errors.ts";
import { missingDirectories, removeEmptyDirectories, statIfAny } from "../host/files.ts";
import { describeSystemError, isImpossiblePlace, isRefusedWrite } from "../host/system_error.ts";
import { BASE_STAGE } from "../threads/layer_staging.ts";
import { hasOthers, removeLeftover } from "./_leftover.ts";
import {
  LockedUnpackRecord,
  readUnpackRecord,
  recordPath,
  type UnpackRecord,
} from "./_unpack_record.ts";
import { WORK, WorkDirectory } from "./_work_directory.ts";

const NOT_EMPTY: Refusal = {
  code: "not-empty",
  problem: "it is not empty",
  advice: 'Choose another directory, or add to its content with "force"',
  option: "force",
};
const TAKEN: Refusal = {
  code: "busy",
  problem: "another process is unpacking into it",
  advice: "Wait until it ends, or choose another directory",
};
const UNKNOWN: Refusal = {
  code: "leftover",
  problem: `it contains "${WORK}", which may belong to a running process`,
  advice: "Remove it if no other process is unpacking, or choose another directory",
};
const NOT_DIRECTORY: Refusal = {
  code: "not-a-directory",
  problem: "it is not a directory",
  advice: "Choose another path",
};

/** Reason why a directory cannot be a target. */
type Refusal = Pick<ErrorFacts, "code" | "problem" | "advice" | "option">;

/** Maximum number of attempts if another process removes the directory in the meantime. */
const MAX_ATTEMPTS = 10;

export interface UnpackRootOptions {
  /** Directory of the store, which records leftovers of killed processes. */
  readonly store: string;
  /** Whether the directory may have content. */
  readonly force: boolean;
}

/** The directory that an image is unpacked into. A failure leaves it as it was. */
export class UnpackRoot implements AsyncDisposable {
  readonly path: string;
  /** Whether it has no other content. */
  readonly isEmpty: boolean;
  /** Directories that were created for it, the innermost first. */
  readonly #made: readonly string[];
  readonly #work: WorkDirectory | undefined;
  /** Names of entries that have been moved out of the work directory. */
  readonly #moved: string[] = [];
  #isPublished = false;

  private constructor(path: string, made: readonly string[], work: WorkDirectory | undefined) {
    this.path = path;
    this.isEmpty = work !== undefined;
    this.#made = made;
    this.#work = work;
  }

  /**
   * Creates the directory if needed and claims it: if several processes unpack into an empty
   * directory at once, exactly one succeeds. Removes leftovers of a killed process if the directory
   * is otherwise empty or `force` is true.
   *
   * @throws {UnpackError} If it has content, or another process is unpacking into it.
   */
  static async open(directory: string, options: UnpackRootOptions): Promise<UnpackRoot> {
    checkPath("unpack an image", directory, "directory");
    for (let attempt = 1;; attempt++) {
      const made = await makeTarget(resolve(directory));
      try {
        return await UnpackRoot.#open(directory, made, options);
      } catch (error) {
        // If another process has won the race, it is using these directories.
        if (!(error instanceof UnpackError && error.isBusy)) removeEmptyDirectories(made);
        // Another process may have created the directory, failed, and removed it again.
        if (!(error instanceof Deno.errors.NotFound) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Checks a directory before its content is fetched. Another process may still change it.
   *
   * @throws {UnpackError} If it is not a directory, or is not empty although `force` is false.
   */
  static async check(directory: string, options: UnpackRootOptions): Promise<void> {
    checkPath("unpack an image", directory, "directory");
    if (statIfAny(directory) !== undefined) await checkTarget(directory, options);
  }

  static async #open(
    directory: string,
    made: readonly string[],
    options: UnpackRootOptions,
  ): Promise<UnpackRoot> {
    const { store, force } = options;
    const path = await checkTarget(directory, options);
    const refuse = (refusal: Refusal) => refused(directory, path, refusal);
    await using stack = new AsyncDisposableStack();
    const record = await LockedUnpackRecord.lock(store, path);
    if (record === "taken") throw refuse(TAKEN);
    if (record !== undefined) stack.use(record);
    const left = await removeLeftover(path, record?.left);
    if (left === "taken") throw refuse(TAKEN);
    if (left === "unknown" && !force) throw refuse(UNKNOWN);
    // Files that are replaced in place need no work directory.
    if (left === "unknown" || await hasOthers(path, undefined)) {
      if (!force) throw refuse(NOT_EMPTY);
      if (left === "none") record?.forget();
      return new UnpackRoot(path, made, undefined);
    }
    const work = stack.use(await WorkDirectory.make(`${path}/${WORK}`, record));
    if (work === null) throw refuse(TAKEN);
    // Another process may have added content before this one claimed the directory.
    if (await hasOthers(path, undefined)) throw refuse(NOT_EMPTY);
    stack.move();
    return new UnpackRoot(path, made, work);
  }

  /** Directory for staged layers. Exists only if `isEmpty` is true. */
  get work(): string {
    return this.#work?.path ?? `${this.path}/${WORK}`;
  }

  /** Stage of the base layer, into which the layers above are merged. */
  get base(): string {
    return `${this.work}/${BASE_STAGE}`;
  }

  /** Creates the stage of the base, for callers that do not stage layers. */
  async makeBase(): Promise<string> {
    await Deno.mkdir(this.base, { mode: 0o700 });
    return this.base;
  }

  /** Moves the content of the stage of the base, which has all layers, to its final place. */
  async publish(
    describesRoot: boolean,
    { backend, ownership }: { readonly backend: TreeBackend; readonly ownership: Ownership },
  ): Promise<void> {
    using tree = openFileTree(this.path, { backend });
    this.#refuseOthers(tree.list(""));
    // An image without layers has no stage.
    const described = tree.status(this.#stage);
    using root = tree.open("");
    if (described !== undefined) {
      openUpDirectory(tree, this.#stage, described);
      const names = tree.list(this.#stage);
      await this.#work?.record?.writePublished(statuses(tree, this.#stage, names));
      // Make way for an entry that has the name of the work directory. From then on, that entry
      // keeps other processes out.
      if (names.includes(WORK)) this.#work?.rename(tree);
      for (const name of names) {
        moveEntry(tree, `${this.#stage}/${name}`, name);
        this.#moved.push(name);
      }
      using model = tree.open(this.#stage);
      // If the process is killed, the owner must still be able to change the directory.
      const open = { ...described, mode: described.mode | 0o700 };
      if (describesRoot) copyDirectoryMetadata(model, root, open);
    }
    this.#isPublished = true;
    // In the user namespace of the map, the current user is nobody.
    if (!describesRoot && typeof ownership === "object") setImpliedOwner(root, "", ownership);
    const current = tree.status("");
    const { mode = 0o755, mtime = 0, mtimeNs = 0 } = (describesRoot ? described : current) ?? {};
    root.setMode(mode | 0o700);
    await this.#work?.remove();
    root.setMode(mode);
    root.setTimes(mtime, mtimeNs);
  }

  /** The stage of the base, as a path in the directory. */
  get #stage(): string {
    return this.base.slice(this.path.length + 1);
  }

  /** Throws if another program has added entries to the directory since it was claimed. */
  #refuseOthers(names: readonly string[]): void {
    const other = names.find((name) => name !== WORK);
    if (other === undefined) return;
    throw new UnpackError(`another program has put "${other}" into it`, this.path, {
      code: "foreign-file",
      action: `unpack into "${this.path}"`,
      advice: "Choose another directory",
    });
  }

  /** Empties the work directory, to start over. */
  async clear(): Promise<void> {
    await this.#work?.clear();
  }

  /** Keeps the files that were extracted in place. */
  keepContent(): void {
    this.#isPublished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await using _work = this.#work;
    if (this.#isPublished) return;
    if (this.#moved.length > 0) {
      // Their names may not be UTF-8, which Deno's API does not support.
      using tree = openFileTree(this.path);
      for (const name of this.#moved) removeEntry(tree, name);
    }
    // From here on, another process may claim the directory, so it is removed only if it is empty.
    await this.#work?.remove();
    removeEmptyDirectories(this.#made);
  }
}

/** Returns the real path of a directory, unless its content or its type forbids to unpack into it. */
async function checkTarget(
  directory: string,
  { store, force }: UnpackRootOptions,
): Promise<string> {
  const path = await Deno.realPath(directory);
  if (!(await Deno.stat(path)).isDirectory) throw refused(directory, path, NOT_DIRECTORY);
  if (!force && await hasOthers(path, leftIn(store, path))) {
    throw refused(directory, path, NOT_EMPTY);
  }
  return path;
}

/** Reads the record of a directory without locking it. */
function leftIn(store: string, path: string): UnpackRecord | undefined {
  try {
    return readUnpackRecord(recordPath(store, path));
  } catch (error) {
    // Locking the record reports the error.
    if (error instanceof OciError || isRefusedWrite(error)) return undefined;
    throw error;
  }
}

function* statuses(
  tree: FileTree,
  directory: string,
  names: Iterable<string>,
): Generator<readonly [name: string, FileStatus]> {
  for (const name of names) {
    const status = tree.status(`${directory}/${name}`);
    if (status !== undefined) yield [name, status];
  }
}

/** Creates the target and its parents. Returns those that it created, the innermost first. */
async function makeTarget(path: string): Promise<readonly string[]> {
  const made: string[] = [];
  try {
    for (const directory of missingDirectories(path).toReversed()) {
      try {
        await Deno.mkdir(directory, { mode: 0o755 });
      } catch (error) {
        // Another process created it, and owns it.
        if (error instanceof Deno.errors.AlreadyExists) continue;
        throw isImpossiblePlace(error) ? notCreated(directory, error) : error;
      }
      made.unshift(directory);
      // Set the mode separately, since the umask restricts that of `mkdir()`.
      if (Deno.build.os !== "windows") await Deno.chmod(directory, 0o755);
    }
  } catch (error) {
    removeEmptyDirectories(made);
    throw error;
  }
  return made;
}

function notCreated(path: string, cause: unknown): UnpackError {
  // The parent exists, but file systems such as /proc report ENOENT nevertheless.
  const problem = cause instanceof Deno.errors.NotFound
    ? "nothing can be created there"
    : describeSystemError(cause);
  return new UnpackError(problem, path, {
    code: "output",
    action: `create the directory "${path}"`,
    advice: "Choose another directory",
    cause,
  });
}

function refused(directory: string, path: string, { problem, ...facts }: Refusal): UnpackError {
  return new UnpackError(problem, path, {
    ...facts,
    action: `unpack into "${directory}"`,
    subject: directory,
    isBusy: facts.code === "busy",
  });
}
