import { MAX_MANIFEST_BYTES } from "../../spec/image/manifest.ts";
import type { CopySource } from "../moving/endpoint.ts";
import { readContent } from "../moving/read_content.ts";
import { copiedAttachments } from "./attachment_source.ts";
import type { TrustedSigner } from "./trusted_signer.ts";
import { verifySignature } from "./verify_signature.ts";

/** Returns a source that resolves to its document only if the signer has signed it. */
export function verifiedSource(source: CopySource, signer: TrustedSigner): CopySource {
  const { label, content } = source;
  return {
    ...source,
    root: async (options = {}) => {
      const { signal } = options;
      const descriptor = await source.root(options);
      const bytes = await readContent(content, descriptor, MAX_MANIFEST_BYTES, signal);
      const places = [copiedAttachments(source)];
      await verifySignature(places, { descriptor, bytes }, signer, { name: label, signal });
      return descriptor;
    },
  };
}
