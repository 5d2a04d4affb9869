import { moveEntry } from "../../layer/extraction/merge_layer.ts";
import { copyDirectoryMetadata, openUpDirectory } from "../../layer/trees/directory_metadata.ts";
import type { FileStatus, FileTree, TreeBackend } from "../../layer/trees/file_tree.ts";
import { openFileTree } from "../../layer/trees/open_tree.ts";
import type { ErrorFacts } from "../../spec/error_facts.ts";
import { OciError } from "../../spec/errors.ts";
import { resolve } from "../../spec/paths.ts";
import { UnpackError } from "../errors.ts";
import { missingDirectories, removeEmptyDirectories, statIfAny } from "../host/files.ts";
import { removeTree } from "../host/remove_tree.ts";
import { describeSystemError, isImpossiblePlace, isRefusedWrite } from "../host/system_error.ts";
import { BASE_STAGE } from "../stages/layer_staging.ts";
import { hasOthers, removeLeftover } from "./_leftover.ts";
import {
  readUnpackRecord,
  type RecordedUnpack,
  recordPath,
  UnpackRecord,
} from "./_unpack_record.ts";
import { WORK, WorkDirectory } from "./_work_directory.ts";

const NOT_EMPTY: Refusal = {
  code: "not-empty",
  problem: "it is not empty",
  advice: 'Choose another directory, or replace its content with "force"',
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

/** Maximum number of attempts if the directory is removed while it is opened. */
const MAX_ATTEMPTS = 10;

/** Options for {@linkcode UnpackRoot.open}. */
export interface UnpackRootOptions {
  /** Directory of the store, which records leftovers of killed processes. */
  readonly store: string;
  /** Whether the directory may have content. */
  readonly force: boolean;
}

/** The directory that an image is unpacked into. On failure it is left as it was found. */
export class UnpackRoot implements AsyncDisposable {
  /** Its absolute path. */
  readonly path: string;
  /** Whether it has no content from elsewhere. */
  readonly isEmpty: boolean;
  /** Directories that were created for it, the innermost first. */
  readonly #made: readonly string[];
  /** The work directory, if there is one. */
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
   * Creates the directory if needed and claims it: of several processes that unpack into an empty
   * directory at once, exactly one succeeds. Removes leftovers of a killed process if the directory
   * is otherwise empty or `force` is true.
   *
   * @throws {UnpackError} If it has content, or another process is unpacking into it.
   */
  static async open(directory: string, options: UnpackRootOptions): Promise<UnpackRoot> {
    refuseNoName(directory);
    for (let attempt = 1;; attempt++) {
      const made = await makeDirectories(resolve(directory));
      try {
        return await UnpackRoot.#open(directory, made, options);
      } catch (error) {
        // If another process has been faster, this one uses its directory.
        if (!(error instanceof UnpackError && error.isBusy)) removeEmptyDirectories(made);
        // A process that failed has removed the directory that it had made.
        if (!(error instanceof Deno.errors.NotFound) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /**
   * Checks a directory before its content is fetched. Another process may still change it.
   *
   * @throws {UnpackError} If it is not a directory, or has content that it must not have.
   */
  static async check(directory: string, { store, force }: UnpackRootOptions): Promise<void> {
    refuseNoName(directory);
    const info = statIfAny(directory);
    if (info === undefined) return;
    const path = await Deno.realPath(directory);
    if (!info.isDirectory) throw refused(directory, path, NOT_DIRECTORY);
    if (!force && await hasOthers(path, leftIn(store, path))) {
      throw refused(directory, path, NOT_EMPTY);
    }
  }

  static async #open(
    directory: string,
    made: readonly string[],
    { store, force }: UnpackRootOptions,
  ): Promise<UnpackRoot> {
    const path = await Deno.realPath(directory);
    const refuse = (refusal: Refusal) => refused(directory, path, refusal);
    if (!(await Deno.stat(path)).isDirectory) {
      throw refuse(NOT_DIRECTORY);
    }
    const seen = force ? undefined : leftIn(store, path);
    if (!force && await hasOthers(path, seen)) throw refuse(NOT_EMPTY);
    await using stack = new AsyncDisposableStack();
    const record = await UnpackRecord.lock(store, path);
    if (record === "taken") throw refuse(TAKEN);
    if (record !== undefined) stack.use(record);
    const left = await removeLeftover(path, record?.left);
    if (left === "taken") throw refuse(TAKEN);
    if (left === "unknown" && !force) throw refuse(UNKNOWN);
    // Replacing files in place needs no work directory.
    if (left === "unknown" || await hasOthers(path, undefined)) {
      if (!force) throw refuse(NOT_EMPTY);
      if (left === "none") record?.forget();
      return new UnpackRoot(path, made, undefined);
    }
    const work = stack.use(await WorkDirectory.make(`${path}/${WORK}`, record));
    if (work === null) throw refuse(TAKEN);
    // Content that another process created before the claim does not count.
    if (await hasOthers(path, undefined)) throw refuse(NOT_EMPTY);
    stack.move();
    return new UnpackRoot(path, made, work);
  }

  /** Directory for staged layers; it exists and is empty if `isEmpty`. */
  get work(): string {
    return this.#work?.path ?? `${this.path}/${WORK}`;
  }

  /** Directory of the base, into which the layers above are merged. */
  get base(): string {
    return `${this.work}/${BASE_STAGE}`;
  }

  /** Creates that directory, for callers without stages. */
  async makeBase(): Promise<string> {
    await Deno.mkdir(this.base, { mode: 0o700 });
    return this.base;
  }

  /** Moves the stage of the base, with all layers in it, to its final place. */
  async publish(describesRoot: boolean, backend: TreeBackend): Promise<void> {
    using tree = openFileTree(this.path, { backend });
    this.#refuseOthers(tree.list(""));
    // An image without layers has no stage.
    const described = tree.status(this.#stage);
    using root = tree.open("");
    if (described !== undefined) {
      openUpDirectory(tree, this.#stage, described);
      const names = tree.list(this.#stage);
      await this.#work?.recordPublished(statuses(tree, this.#stage, names));
      // Rename the work directory for an entry of its name; it still excludes other processes.
      if (names.includes(WORK)) this.#work?.rename(tree);
      for (const name of names) {
        moveEntry(tree, `${this.#stage}/${name}`, name);
        this.#moved.push(name);
      }
      using model = tree.open(this.#stage);
      // A killed process must not leave a mode that denies the owner changes.
      const open = { ...described, mode: described.mode | 0o700 };
      if (describesRoot) copyDirectoryMetadata(model, root, open);
    }
    this.#isPublished = true;
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

  /** Fails if another program has added entries to the directory since it was claimed. */
  #refuseOthers(names: readonly string[]): void {
    const other = names.find((name) => name !== WORK);
    if (other === undefined) return;
    throw new UnpackError(`another program has put "${other}" into it`, this.path, {
      code: "foreign-file",
      action: `unpack into "${this.path}"`,
      advice: "Choose another directory",
    });
  }

  /** Restarts with empty stages. */
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
    for (const name of this.#moved) await removeTree(`${this.path}/${name}`);
    // The directory itself only if it is empty: another process may take it from here on.
    await this.#work?.remove();
    removeEmptyDirectories(this.#made);
  }
}

/** Reads the record of a killed process about a directory, without excluding others. */
function leftIn(store: string, path: string): RecordedUnpack | undefined {
  try {
    return readUnpackRecord(recordPath(store, path));
  } catch (error) {
    // The record is refused when it is locked.
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

/** Creates a directory and its parents. Returns those that were missing, the innermost first. */
async function makeDirectories(path: string): Promise<readonly string[]> {
  const made: string[] = [];
  try {
    for (const directory of missingDirectories(path).toReversed()) {
      try {
        await Deno.mkdir(directory);
      } catch (error) {
        // Another process created it, and owns it.
        if (error instanceof Deno.errors.AlreadyExists) continue;
        throw isImpossiblePlace(error) ? notCreated(directory, error) : error;
      }
      made.unshift(directory);
      // The umask restricts the mode of the call above.
      if (Deno.build.os !== "windows") await Deno.chmod(directory, 0o755);
    }
  } catch (error) {
    removeEmptyDirectories(made);
    throw error;
  }
  return made;
}

function notCreated(path: string, cause: unknown): UnpackError {
  // "ENOENT" is what read-only systems such as /proc answer: the parent exists.
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

/** An empty name, for example from an unset variable, would mean the current directory. */
function refuseNoName(directory: string): void {
  if (directory !== "") return;
  throw new RangeError('Cannot unpack an image: the name of the directory must not be ""');
}

function refused(directory: string, path: string, { problem, ...facts }: Refusal): UnpackError {
  return new UnpackError(problem, path, {
    ...facts,
    action: `unpack into "${directory}"`,
    subject: directory,
    isBusy: facts.code === "busy",
  });
}
