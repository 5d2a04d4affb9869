import type { Digest } from "../../../spec/mod.ts";
import type { AttachmentSource } from "../../../store/attachments/attachment_source.ts";
import { buildImage, type Built } from "../../_support/image.ts";
import { signatureTag } from "../../_support/signing.ts";
import { file, tar } from "../../_support/tar.ts";

/** The image whose signatures are verified. */
export const IMAGE: Built = buildImage({ layers: [tar(file("a", "a"))] });
/** Its digest. */
export const DIGEST: Digest = IMAGE.descriptor.digest;
/** Another image. */
export const OTHER: Built = buildImage({ layers: [tar(file("a", "b"))] });

/** A place with the image, a document under the tag of its signatures, and referrers. */
export function makeSource(
  tagged: Built | undefined,
  referrers: readonly Built[] = [],
): AttachmentSource {
  const all = [...tagged === undefined ? [] : [tagged], ...referrers];
  const blobs = new Map(all.flatMap((built) => [...built.blobs]));
  return {
    fetch: ({ digest }) => {
      const bytes = blobs.get(digest)?.bytes;
      return Promise.resolve(new Blob(bytes === undefined ? [] : [bytes]).stream());
    },
    resolve: (tag) => {
      return Promise.resolve(tag === signatureTag(DIGEST) ? tagged?.descriptor : undefined);
    },
    referrers: () => {
      const entries = referrers.map(({ descriptor, bytes }) => {
        const { artifactType } = JSON.parse(new TextDecoder().decode(bytes));
        return { ...descriptor, artifactType };
      });
      return Promise.resolve(entries);
    },
  };
}
