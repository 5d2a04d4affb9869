import { type Expectation, Verifier } from "./verifier.ts";

/**
 * Passes bytes on, and fails in place of closing unless they are what was promised.
 *
 * What has passed before the end is unverified: a consumer must not make it visible until
 * the stream has closed.
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
  /** Creates the stage; `source` names where the bytes come from in the errors. */
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
