import type { ConnectionPool } from "../../../registry/http1/connection_pool.ts";
import { concat } from "../../_support/bytes.ts";

/** Returns the status and the body of a response, which is read in pieces of a few bytes. */
export async function textOf(
  { status, body }: Awaited<ReturnType<ConnectionPool["send"]>>,
): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const next = await body?.read(new Uint8Array(3));
    if (next === undefined || next.done) break;
    parts.push(next.value);
  }
  return `${status} ${new TextDecoder().decode(concat(...parts))}`;
}
