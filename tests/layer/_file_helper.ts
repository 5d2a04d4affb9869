import { QueueHeader } from "../../layer/_file_slots.ts";
import { FileQueue } from "../../layer/mod.ts";

/** A queue that a worker serves. */
export interface HelpedQueue extends Disposable {
  readonly files: FileQueue;
}

/** Starts the worker, and waits until it serves the queue. */
export async function helpedQueue(): Promise<HelpedQueue> {
  const files = new FileQueue();
  const worker = new Worker(new URL("../../store/_file_worker.ts", import.meta.url), {
    type: "module",
  });
  worker.postMessage(files.memory);
  const header = new QueueHeader(files.memory);
  while (!header.isServed) await new Promise((resolve) => setTimeout(resolve, 1));
  return {
    files,
    [Symbol.dispose]() {
      files[Symbol.dispose]();
      worker.terminate();
    },
  };
}
