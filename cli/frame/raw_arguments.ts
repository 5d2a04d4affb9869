import { decodeName } from "../../layer/file_name.ts";

/** Reads the bytes of the command line of this process. */
export type ReadCommandLine = () => Promise<Uint8Array>;

const COMMAND_LINE = "/proc/self/cmdline";

/**
 * Restores arguments that are not valid UTF-8, such as the path of a file in an image whose name
 * has a legacy encoding: each invalid byte becomes a lone surrogate, as in file names.
 *
 * @param args Arguments as Deno decodes them.
 * @param read Reads the command line; the default is that of this process.
 * @returns The restored arguments, or `args` if the bytes are not available.
 */
export async function rawArguments(
  args: readonly string[],
  read: ReadCommandLine = readCommandLine,
): Promise<readonly string[]> {
  const parts = splitAtZeros(await read()).slice(-args.length);
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const isSame = parts.length === args.length &&
    parts.every((part, i) => decoder.decode(part) === args[i]);
  return isSame ? parts.map(decodeName) : args;
}

/** Returns no bytes if the file is missing or may not be read. Never prompts for a permission. */
async function readCommandLine(): Promise<Uint8Array> {
  const { state } = await Deno.permissions.query({ name: "read", path: COMMAND_LINE });
  if (state !== "granted") return new Uint8Array();
  try {
    return await Deno.readFile(COMMAND_LINE);
  } catch {
    // Only Linux has it, and Deno requires all permissions for it.
    return new Uint8Array();
  }
}

function splitAtZeros(bytes: Uint8Array): readonly Uint8Array[] {
  const parts: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(0); end >= 0; end = bytes.indexOf(0, start)) {
    parts.push(bytes.subarray(start, end));
    start = end + 1;
  }
  return parts;
}
