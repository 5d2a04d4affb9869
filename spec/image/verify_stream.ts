import { type Expectation, Verifier } from "../verifier.ts";
import type { BlobReadOptions } from "./image.ts";

/**
 * A transform stream that verifies its bytes, and fails instead of closing if they are wrong.
 *
 * Bytes before the end are unverified: do not rely on them until the stream has closed.
 *
 * @example Refuse damaged bytes at the end of a stream
 * ```ts
 * import { DigestMismatchError, digestOf, VerifyStream } from "@x/oci/spec";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const expected = { digest: digestOf(new TextEncoder().encode("hello")), size: 5 };
 * const read = (text: string) =>
 *   new Response(new Blob([text]).stream().pipeThrough(new VerifyStream(expected))).text();
 *
 * assertEquals(await read("hello"), "hello");
 * await assertRejects(() => read("jello"), DigestMismatchError);
 * ```
 */
export class VerifyStream extends TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  /**
   * Creates the stream. `source` is the origin of the bytes in errors.
   *
   * @throws {UnsupportedDigestError} If the algorithm of the digest is not supported.
   */
  constructor(expected: Expectation, source?: string) {
    const verifier = new Verifier(expected, source);
    super({
      transform(chunk, controller) {
        verifier.update(chunk);
        controller.enqueue(chunk as Uint8Array<ArrayBuffer>);
      },
      flush: () => verifier.finish(),
    });
  }
}

/**
 * Verifies the bytes of a read as they pass, unless the read is `raw` or partial.
 *
 * The stream fails at the first surplus byte. If the digest is wrong, it fails before it delivers
 * the last bytes, because a reader that counts bytes may stop there. Reads on demand and retains no
 * chunk, so the source may reuse memory.
 *
 * @param stream The bytes.
 * @param expected Expected digest and size.
 * @param options Options of the read.
 * @param source Origin of the bytes in errors; called once the first bytes have arrived.
 */
export function verifiedRead(
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
  expected: Expectation,
  options: BlobReadOptions,
  source: () => string | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const { offset = 0, length, raw = false } = options;
  if (raw || offset > 0 || length !== undefined) return stream;
  const reader = stream.getReader();
  let verifier: Verifier | undefined;
  let isVerified = false;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      try {
        verifier ??= new Verifier(expected, source());
        if (!done) verifier.update(value);
        if (!isVerified && (done || verifier.size === expected.size)) {
          verifier.finish();
          isVerified = true;
        }
      } catch (error) {
        await reader.cancel(error).catch(() => {
          // The source has failed as well, but the mismatch matters more.
        });
        throw error;
      }
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
