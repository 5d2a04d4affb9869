import { IndexBuilder } from "./_index_builder.ts";
import { readRecords } from "./entry_recorder.ts";

/**
 * Makes an index of recorded entries.
 *
 * @returns The index; `undefined` if the bytes are damaged, or it would be too large.
 */
export async function makeIndex(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const recorded = await readRecords(bytes);
  if (recorded === undefined) return undefined;
  const builder = new IndexBuilder();
  for (const header of recorded.headers) builder.add(header);
  return builder.finish(recorded.diffId, recorded.archiveBytes);
}
