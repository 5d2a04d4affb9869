import { FileQueue } from "../../layer/trees/file_queue.ts";
import { startWorker } from "./_start_worker.ts";

/** Files of this thread, for which another one is started when there are many. */
export class HelpedFiles implements Disposable {
  /** What trees are to be given. */
  readonly queue: FileQueue = new FileQueue({ onDemand: () => this.#help() });
  #worker: Worker | undefined;

  [Symbol.dispose](): void {
    this.queue[Symbol.dispose]();
    this.#worker?.terminate();
  }

  #help(): void {
    // With one processor, threads would but take turns.
    if (navigator.hardwareConcurrency === 1) return;
    this.#worker = startWorker(new URL("./_file_worker.ts", import.meta.url));
    if (this.#worker === undefined) return;
    // As long as the queue is not served, files are filled in this thread.
    this.#worker.onerror = (event) => event.preventDefault();
    this.#worker.postMessage(this.queue.memory);
  }
}
