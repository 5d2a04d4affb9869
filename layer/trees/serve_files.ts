import { FileSlot, QueueHeader } from "./_file_slots.ts";
import { type NativeLibc, openLibc } from "../linux/native_libc.ts";

/**
 * Fills the files of a {@linkcode FileQueue} of another thread, until that is disposed of. Nothing
 * else can happen in this thread meanwhile: it is for a worker of its own.
 *
 * @param memory That of the queue.
 * @throws {Deno.errors.NotSupported} If the native backend cannot be had.
 *
 * @example In a worker
 * ```ts
 * import { FileQueue, serveFiles } from "@x/oci/layer";
 *
 * const files = new FileQueue();
 * // This would be elsewhere, and later.
 * files[Symbol.dispose]();
 * // `files.memory` would come with a message.
 * serveFiles(files.memory);
 * ```
 */
export function serveFiles(memory: SharedArrayBuffer): void {
  using libc = requireLibc();
  const header = new QueueHeader(memory);
  const slots = FileSlot.all(memory);
  header.addServer();
  while (!header.isOver) {
    const { readyCount } = header;
    for (const slot of slots) slot.serve(libc);
    header.wait(readyCount);
  }
}

function requireLibc(): NativeLibc {
  const libc = openLibc();
  if (typeof libc !== "string") return libc;
  throw new Deno.errors.NotSupported(`Cannot fill files of another thread: ${libc}`);
}
