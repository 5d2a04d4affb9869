import { dirname } from "@std/path/dirname";
import { resolve } from "@std/path/resolve";
import { BundleError } from "../errors.ts";
import { type BundleState, STATE } from "./_bundle_state.ts";
import { forgetBundle, noteBundle } from "./bundle_notes.ts";
import { lstatIfAny } from "../host/durable.ts";
import { endLeftContainers } from "../runtime/left_containers.ts";
import { removeIfAny, removeTree } from "../host/remove_tree.ts";
import { mountsIn, unmountAll } from "../host/unmount.ts";

/** What runtimes read. It is written last, so that a bundle that has it is complete. */
export const CONFIG = "config.json";

/** A directory that is gone again and again is gone for another reason than another process. */
const MAX_ATTEMPTS = 10;

/** A directory that is a bundle, or becomes one, and is locked. */
export class BundleDirectory implements Disposable {
  /** The directory, as an absolute path without links. */
  readonly path: string;
  readonly #file: Deno.FsFile;
  /** Whether the directory was there before the bundle. */
  #isLent = false;

  private constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  /**
   * Takes a directory for a new bundle: one that is empty, that is made as it is not there, or that
   * has what a process that was killed has left of a bundle.
   */
  static async claim(directory: string): Promise<BundleDirectory> {
    const isLent = lstatIfAny(directory) !== undefined;
    for (let attempt = 1;; attempt++) {
      try {
        await makePrivate(directory);
        const path = await Deno.realPath(directory);
        await refuseOthers(path);
        const claimed = await BundleDirectory.#lock(path, true);
        if (claimed === undefined) continue;
        claimed.#isLent = isLent;
        using unwanted = new DisposableStack();
        unwanted.use(claimed);
        await claimed.#refuseTaken();
        unwanted.move();
        return claimed;
      } catch (error) {
        if (
          error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory
        ) throw notDirectory(directory, error);
        // Somebody else has removed a bundle that was there, just now.
        if (!(error instanceof Deno.errors.NotFound) || attempt === MAX_ATTEMPTS) throw error;
      }
    }
  }

  /** Refuses a directory that has a complete bundle, or something else under a bundle's name. */
  async #refuseTaken(): Promise<void> {
    const { path } = this;
    if (!await this.#isOurs()) throw notEmpty(path);
    if (!isComplete(path)) return;
    throw new BundleError(
      `Cannot make a bundle in "${path}": there is one already; ` +
        "choose another name, or remove it before",
      path,
    );
  }

  /** Begins the bundle: removes what is left of another, and writes down what this one is. */
  async begin(state: BundleState): Promise<void> {
    await this.empty();
    await this.write(state);
    await noteBundle(state.store, this.path);
  }

  /** Opens a bundle to remove it; `undefined` if it is gone. */
  static async open(directory: string): Promise<BundleDirectory | undefined> {
    for (;;) {
      if (lstatIfAny(directory) === undefined) return undefined;
      const path = await Deno.realPath(directory);
      if (lstatIfAny(`${path}/${STATE}`) === undefined) throw notBundle(path);
      try {
        const opened = await BundleDirectory.#lock(path, false);
        if (opened === undefined) continue;
        // Another program's file of the same name is not taken for permission to remove.
        if (await opened.#isOurs()) return opened;
        opened[Symbol.dispose]();
        throw notBundle(path);
      } catch (error) {
        // Somebody else has removed it meanwhile.
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** Opens what there is of a bundle if that is not all of one, and nobody is about to make it. */
  static async openIncomplete(directory: string): Promise<BundleDirectory | undefined> {
    // A file that is new is not locked yet, but it is once it says something.
    if (isComplete(directory) || !lstatIfAny(`${directory}/${STATE}`)?.size) return undefined;
    using stack = new DisposableStack();
    const opened = stack.use(await BundleDirectory.open(directory));
    if (isComplete(directory)) return undefined;
    stack.move();
    return opened;
  }

  /** The lock of a directory; `undefined` if it changed hands meanwhile. */
  static async #lock(path: string, create: boolean): Promise<BundleDirectory | undefined> {
    const statePath = `${path}/${STATE}`;
    const file = await Deno.open(statePath, { read: true, write: true, create });
    try {
      if (!await file.tryLock(true)) {
        throw new BundleError(
          `Cannot use "${path}": its bundle is being made or removed just now; try again later`,
          path,
        );
      }
      const [held, named] = [await file.stat(), lstatIfAny(statePath)];
      if (held.ino === named?.ino) return new BundleDirectory(path, file);
    } catch (error) {
      file.close();
      throw error;
    }
    file.close();
    return undefined;
  }

  /** Whether the bundle's file is one, or is new. */
  async #isOurs(): Promise<boolean> {
    const { size } = await Deno.stat(`${this.path}/${STATE}`);
    return size === 0 ? await isOnly(this.path, STATE) : (await this.#read())?.ociBundle === 1;
  }

  async #isExtracted(): Promise<boolean> {
    return (await this.#read())?.kind === "uncompressed";
  }

  async #read(): Promise<Partial<BundleState> | null> {
    try {
      return JSON.parse(await Deno.readTextFile(`${this.path}/${STATE}`));
    } catch (error) {
      if (error instanceof SyntaxError) return null;
      throw error;
    }
  }

  /** Replaces what the bundle's file says. */
  async write(state: BundleState): Promise<void> {
    // In place, since the lock is the file's: one write that a signal does not interrupt.
    const bytes = new TextEncoder().encode(`${JSON.stringify(state)}\n`);
    await this.#file.seek(0, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await this.#file.write(bytes.subarray(at));
    await this.#file.truncate(bytes.length);
  }

  /** Unmounts and removes everything in the directory but the bundle's own file. */
  async empty(onWarning?: (message: string) => void): Promise<void> {
    if (await isOnly(this.path, STATE)) return;
    await endLeftContainers(this.path, onWarning);
    await this.#unmount(onWarning);
    // First what makes it a complete bundle, so that what follows may be interrupted.
    await removeIfAny(`${this.path}/${CONFIG}`);
    for await (const { name, isDirectory } of Deno.readDir(this.path)) {
      if (name === STATE) continue;
      if (isDirectory) await removeTree(`${this.path}/${name}`);
      else await removeIfAny(`${this.path}/${name}`);
    }
  }

  async #unmount(onWarning: ((message: string) => void) | undefined): Promise<void> {
    let mounted: string | undefined;
    try {
      await unmountAll(this.path, onWarning);
      mounted = mountsIn(this.path)[0]?.target;
    } catch (error) {
      // Who may not look at mounts could not have made one.
      if (error instanceof Deno.errors.NotCapable && await this.#isExtracted()) return;
      const { message } = error as Error;
      throw new BundleError(
        `Cannot unmount what is in "${this.path}": ${message.replace(/, run again.*/s, "")}; ` +
          "do it as who made the bundle, and with --allow-ffi",
        this.path,
        { cause: error },
      );
    }
    if (mounted === undefined) return;
    throw new BundleError(
      `Cannot remove "${this.path}": "${mounted}" is still mounted; unmount it before`,
      this.path,
    );
  }

  /**
   * Removes everything, and the directory itself. One that was there before stays if the bundle
   * was not to be.
   */
  async remove(onWarning?: (message: string) => void): Promise<void> {
    await this.empty(onWarning);
    const { store } = await this.#read() ?? {};
    if (store !== undefined) await forgetBundle(store, this.path);
    await removeIfAny(`${this.path}/${STATE}`);
    if (this.#isLent) return;
    try {
      await Deno.remove(this.path);
    } catch (error) {
      // Somebody else begins a bundle in it, just now.
      if ((error as { readonly code?: unknown }).code !== "ENOTEMPTY") throw error;
    }
  }

  /** Gives up the lock. */
  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Whether there is what is written last. */
function isComplete(path: string): boolean {
  return lstatIfAny(`${path}/${CONFIG}`) !== undefined;
}

/**
 * Makes a directory that nobody else may enter: an image has programs that run as their owner,
 * and users of the host are not to run them (CVE-2021-41103). One that is there stays as it is.
 */
async function makePrivate(directory: string): Promise<void> {
  await Deno.mkdir(dirname(resolve(directory)), { recursive: true });
  try {
    await Deno.mkdir(directory, { mode: 0o700 });
  } catch (error) {
    const isThere = error instanceof Deno.errors.AlreadyExists;
    if (!isThere || !(await Deno.stat(directory)).isDirectory) throw error;
  }
}

/** Refuses a directory that holds anything, unless that may be a bundle. */
async function refuseOthers(path: string): Promise<void> {
  const names = await Array.fromAsync(Deno.readDir(path), ({ name }) => name);
  if (names.length > 0 && !names.includes(STATE)) throw notEmpty(path);
}

async function isOnly(path: string, only: string): Promise<boolean> {
  for await (const { name } of Deno.readDir(path)) if (name !== only) return false;
  return true;
}

function notEmpty(path: string): BundleError {
  return new BundleError(
    `Cannot make a bundle in "${path}": it is not empty; choose an empty or new directory`,
    path,
  );
}

function notDirectory(path: string, cause: unknown): BundleError {
  return new BundleError(
    `Cannot make a bundle in "${path}": it is not a directory; choose an empty or new one`,
    path,
    { cause },
  );
}

function notBundle(path: string): BundleError {
  return new BundleError(
    `Cannot remove "${path}": it is no bundle that this program made; ` +
      "look whether it is the right directory",
    path,
  );
}
