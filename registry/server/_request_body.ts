import { onAbort } from "../tasks/abortable.ts";

/** A client disconnected in the middle of a request, or sent a body that is not valid HTTP. */
export class RequestBodyError extends Error {
  override readonly name = "RequestBodyError";
}

/**
 * Yields the chunks of a request body until a signal aborts.
 *
 * @throws {RequestBodyError} If the body ends early.
 */
export async function* bodyChunks(
  body: ReadableStream<Uint8Array<ArrayBuffer>> | null,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (body === null) return;
  const reader = body.getReader();
  // Only canceling the reader ends a read that waits for the client.
  using _abort = onAbort(signal, () => void reader.cancel(signal?.reason).catch(() => {}));
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { done, value } = await reader.read().catch((cause) => {
        throw new RequestBodyError("Cannot read the body of the request", { cause });
      });
      signal?.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/**
 * Reads a whole body.
 *
 * @returns The bytes, or `undefined` if there are more than `maxBytes`.
 * @throws {RequestBodyError} If the body ends early.
 */
export async function readBody(
  request: Request,
  maxBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return undefined;
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  for await (const chunk of bodyChunks(request.body)) {
    size += chunk.length;
    if (size > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return await new Blob(chunks).bytes();
}
