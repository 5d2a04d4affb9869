/**
 * What runs in a worker that fills the files which another thread makes.
 *
 * @module
 */
import { serveFiles } from "../../layer/trees/serve_files.ts";

/** What of a worker's global scope is used; its types would clash with those of a window. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<SharedArrayBuffer>) => void) | null;
  close(): void;
}

const scope = globalThis as unknown as WorkerScope;

scope.onmessage = ({ data }) => {
  serveFiles(data);
  scope.close();
};
