/**
 * `deno run -A _open_swapped.ts PATH FIFO`: opens a file that a FIFO replaces as soon as its status
 * has been read, and prints the fault.
 */
import { openRegularFile, StoreFileError } from "../../../store/host/open_regular_file.ts";

const [path = "", fifo = ""] = Deno.args;
const { lstatSync } = Deno;
Deno.lstatSync = (looked) => {
  const info = lstatSync(looked);
  Deno.lstatSync = lstatSync;
  Deno.renameSync(fifo, path);
  return info;
};
try {
  using _file = openRegularFile(path, { foreign: true });
} catch (error) {
  if (!(error instanceof StoreFileError)) throw error;
  Deno.stdout.writeSync(new TextEncoder().encode(`${error.fault}\n`));
}
