import { findProgram, RUNTIMES } from "../host/find_runtime.ts";

/** Begins the name of a directory in a bundle that has the state of a runtime. */
export const STATE_PREFIX = "runtime-";
/** The file in it that says whose. */
const NOTE = "container.json";

interface ContainerNote {
  /** Name of the runtime. */
  readonly runtime: string;
  readonly id: string;
}

/**
 * Notes which runtime keeps which container in a directory for its state.
 *
 * @returns The file. It is locked, until it is closed or the process ends.
 */
export async function noteContainer(
  state: string,
  runtime: string,
  id: string,
): Promise<Deno.FsFile> {
  const name = runtime.slice(runtime.lastIndexOf("/") + 1);
  const note: ContainerNote = { runtime: name, id };
  const path = `${state}/${NOTE}`;
  await Deno.writeTextFile(path, JSON.stringify(note), { createNew: true });
  const file = await Deno.open(path);
  await file.lock(true);
  return file;
}

/** Whether a process has noted a container in a bundle and ended without removing it. */
export async function hasLeftContainer(bundle: string): Promise<boolean> {
  for await (const { name, isDirectory } of Deno.readDir(bundle)) {
    if (!isDirectory || !name.startsWith(STATE_PREFIX)) continue;
    if (await isUnlocked(`${bundle}/${name}/${NOTE}`)) return true;
  }
  return false;
}

async function isUnlocked(path: string): Promise<boolean> {
  try {
    using file = await Deno.open(path);
    return await file.tryLock(true);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Ends the containers that a process has left in a bundle, as it was killed while it ran them: what
 * is removed with the bundle is all that runtimes know of them.
 *
 * @param bundle The bundle's directory.
 * @param onWarning Is told of those that may still run.
 */
export async function endLeftContainers(
  bundle: string,
  onWarning?: (message: string) => void,
): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(bundle)) {
    if (!isDirectory || !name.startsWith(STATE_PREFIX)) continue;
    const reason = await endContainer(`${bundle}/${name}`);
    if (reason === undefined) continue;
    onWarning?.(`a container of "${bundle}" may still run, and is not ended: ${reason}`);
  }
}

/** Ends one container; says why not. */
async function endContainer(state: string): Promise<string | undefined> {
  const note = await readNote(state);
  if (note === undefined) return undefined;
  // The state tells the runtime which processes to kill: whoever else wrote it has no say.
  const { state: granted } = await Deno.permissions.query({ name: "sys", kind: "uid" });
  const isOwn = granted === "granted" && (await Deno.lstat(state)).uid === Deno.uid();
  if (!isOwn) return "somebody else ran it";
  // By name alone, so that a file never says what is run.
  const program = RUNTIMES.includes(note.runtime) ? await findProgram(note.runtime) : undefined;
  if (program === undefined) return `its runtime "${note.runtime}" is not found`;
  const permission = await Deno.permissions.query({ name: "run", command: program });
  if (permission.state !== "granted") return `it takes --allow-run=${program}`;
  await new Deno.Command(program, {
    args: ["--root", `${state}/root`, "delete", "--force", note.id],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  return undefined;
}

async function readNote(state: string): Promise<ContainerNote | undefined> {
  try {
    const { runtime, id } = JSON.parse(await Deno.readTextFile(`${state}/${NOTE}`));
    return typeof runtime === "string" && typeof id === "string" ? { runtime, id } : undefined;
  } catch (error) {
    // It was killed before it ran anything.
    if (error instanceof Deno.errors.NotFound || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
