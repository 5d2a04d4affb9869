import { QueueHeader } from "../../../layer/trees/_file_slots.ts";
import { FileQueue } from "../../../layer/mod.ts";

/** A queue that a worker serves. */
export interface HelpedQueue extends Disposable {
  readonly files: FileQueue;
}

/** Gives a queue to a worker, and waits until it serves it. */
export async function helpedQueue(worker: Worker = fileWorker()): Promise<HelpedQueue> {
  const files = new FileQueue();
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

function fileWorker(): Worker {
  return new Worker(new URL("../../../store/stages/_file_worker.ts", import.meta.url), {
    type: "module",
  });
}
