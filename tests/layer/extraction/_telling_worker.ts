/**
 * A worker that serves the queue whose memory it is sent, and says when that is over.
 *
 * @module
 */
import { serveFiles } from "../../../layer/mod.ts";

/** What of a worker's global scope is used; its types would clash with those of a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SharedArrayBuffer>) => void) | null;
  postMessage(message: string): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  serveFiles(data);
  scope.postMessage("over");
};
