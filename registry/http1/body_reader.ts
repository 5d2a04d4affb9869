/** Reads a body into the provided buffer, if possible. */
export interface BodyReader {
  read(
    memory: Uint8Array<ArrayBuffer>,
  ): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>>;
  cancel(): Promise<void>;
}

/** Creates a {@linkcode BodyReader} from a stream. */
export function bodyReader(body: ReadableStream<Uint8Array<ArrayBuffer>>): BodyReader {
  try {
    return body.getReader({ mode: "byob" });
  } catch (error) {
    // The stream is not a byte stream, as in tests.
    if (error instanceof TypeError) return body.getReader();
    throw error;
  }
}
