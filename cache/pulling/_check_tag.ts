import type { ImageClientOptions } from "../../registry/image_client.ts";
import { formatReference, type Reference } from "../../registry/reference.ts";
import { describeError } from "../../spec/error_facts.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";

/** A client that can resolve a reference. */
interface ResolvingClient {
  resolve(reference: Reference, options?: ImageClientOptions): Promise<Descriptor>;
}

/** Warns if the tag of a reference with a digest has moved to another digest. */
export async function checkTag(
  client: ResolvingClient,
  { digest, ...tagged }: Reference,
  options: ImageClientOptions,
): Promise<void> {
  const { signal, onWarning } = options;
  if (digest === undefined || tagged.tag === undefined) return;
  const name = formatReference(tagged);
  try {
    const now = await client.resolve(tagged, options);
    if (now.digest !== digest) {
      onWarning?.(`"${name}" now resolves to ${now.digest}, not ${digest}`);
    }
  } catch (error) {
    signal?.throwIfAborted();
    onWarning?.(`Cannot check the tag of "${name}": ${describeError(error)}`);
  }
}
