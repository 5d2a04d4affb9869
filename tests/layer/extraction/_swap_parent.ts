/**
 * A worker that replaces a directory with a symlink that leads out, and back, as fast as possible,
 * until the file `stop` appears next to them.
 */
interface SwapOrder {
  readonly directory: string;
  readonly link: string;
  readonly aside: string;
  readonly stop: string;
}

const scope = globalThis as unknown as Worker;

scope.onmessage = ({ data }: MessageEvent<SwapOrder>) => {
  const { directory, link, aside, stop } = data;
  scope.postMessage("running");
  let swaps = 0;
  for (; !isThere(stop) && swaps < 1_000_000; swaps++) {
    try {
      Deno.renameSync(directory, aside);
      Deno.renameSync(link, directory);
      Deno.renameSync(directory, link);
      Deno.renameSync(aside, directory);
    } catch {
      // The extraction has created or removed one of the names: restore them.
      restore(directory, link, aside);
    }
  }
  scope.postMessage(swaps);
};

function restore(directory: string, link: string, aside: string): void {
  try {
    if (Deno.lstatSync(directory).isSymlink) Deno.renameSync(directory, link);
    if (isThere(aside)) Deno.renameSync(aside, directory);
  } catch {
    // Retried in the next round.
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
