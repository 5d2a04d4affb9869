import { type Expectation, Verifier } from "./verifier.ts";

/**
 * A transform stream that verifies its bytes, and fails instead of closing if they are wrong.
 *
 * Bytes before the end are unverified: do not rely on them until the stream has closed.
 *
 * @example Verify a body on its way
 * ```ts
 * import { digestOf, VerifyStream } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("hello");
 * const body = new Blob([bytes]).stream();
 * const verified = body.pipeThrough(new VerifyStream({ digest: digestOf(bytes), size: 5 }));
 *
 * assertEquals(await new Response(verified).text(), "hello");
 * ```
 */
export class VerifyStream extends TransformStream<Uint8Array, Uint8Array<ArrayBuffer>> {
  /** Creates the stream. `source` is the origin of the bytes in errors. */
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
