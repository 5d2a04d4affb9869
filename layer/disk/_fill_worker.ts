/**
 * A worker that fills small files for the thread that creates them.
 *
 * @module
 */
import { openLibc } from "../linux/native_libc.ts";
import { FileSlots } from "./_file_slots.ts";

/** The part of a worker's global scope that is used. The default types are those of a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SharedArrayBuffer>) => void) | null;
}

(globalThis as unknown as WorkerScope).onmessage = ({ data: memory }) => {
  const libc = openLibc();
  if (typeof libc === "string") return;
  new FileSlots(memory).serve(libc);
  libc[Symbol.dispose]();
};
