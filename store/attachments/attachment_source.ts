import type { RemoteClient } from "../../registry/client/remote_client.ts";
import { RepositoryContent } from "../../registry/client/repository_content.ts";
import { NotFoundError } from "../../registry/errors.ts";
import type { Repository } from "../../registry/reference.ts";
import type { RemoteOptions } from "../../registry/remote_client_options.ts";
import { unlessRejected } from "../../spec/error_facts.ts";
import type { NamedSource } from "../../spec/image/content.ts";
import { openBytes } from "../../spec/image/read_bytes.ts";
import { REF_NAME } from "../content/layout_index.ts";
import { StoreError } from "../errors.ts";
import type { ImageCollection } from "../images/layout_client.ts";
import { layoutReferrers } from "../images/layout_referrers.ts";

/**
 * A place with the signatures and attestations of an image: a repository, a store, a layout or an
 * archive. Its names are tags, under which cosign keeps what it attaches.
 */
export type AttachmentSource = NamedSource;

/**
 * Returns the attachments in a repository of a registry.
 *
 * @example List what refers to an image in a registry
 * ```ts
 * import { parseReference, RemoteClient } from "@x/oci/registry";
 * import { repositoryAttachments } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const alpine = parseReference("alpine:3.20");
 * using client = new RemoteClient();
 * const { descriptor } = await client.document(alpine);
 *
 * const referrers = await repositoryAttachments(client, alpine).referrers?.(descriptor);
 *
 * assertEquals(referrers?.map(({ artifactType }) => artifactType), ["application/spdx+json"]);
 * ```
 */
export function repositoryAttachments(
  client: RemoteClient,
  repository: Repository,
  options: Omit<RemoteOptions, "signal"> = {},
): AttachmentSource {
  const { registry, repository: name } = repository;
  const content = new RepositoryContent(client, repository, options);
  return {
    fetch: (descriptor, reading) => content.fetch(descriptor, reading),
    referrers: (descriptor, reading) => content.referrers(descriptor, reading),
    resolve: async (tag, { signal } = {}) => {
      // Unlike the content, the client also asks mirrors for the tag.
      const reference = { registry, repository: name, tag };
      const found = client.resolve(reference, { ...options, signal });
      return await unlessRejected(found, NotFoundError);
    },
  };
}

/**
 * Returns the attachments in a store, a layout or an archive.
 *
 * @example List what refers to an image in a layout
 * ```ts
 * import { copy } from "@x/oci";
 * import { collectionAttachments, ContentStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const { descriptor } = await copy("alpine:3.20", "oci:./layout:v1", { withReferrers: true });
 * const layout = await ContentStore.open("./layout");
 *
 * const referrers = await collectionAttachments(layout).referrers?.(descriptor);
 *
 * assertEquals(referrers?.map(({ artifactType }) => artifactType), ["application/spdx+json"]);
 * ```
 */
export function collectionAttachments(
  collection: Pick<ImageCollection, "path" | "descriptors" | "readBlob">,
): AttachmentSource {
  return {
    fetch: async (descriptor, options) => {
      const bytes = await collection.readBlob(descriptor, { maxBytes: descriptor.size });
      if (bytes === undefined) {
        const { path } = collection;
        throw new StoreError(`"${path}" does not have it`, path, {
          code: "missing-content",
          action: `read ${descriptor.digest}`,
        });
      }
      return await openBytes(bytes)(options);
    },
    referrers: ({ digest }) => layoutReferrers(collection, digest),
    resolve: async (tag) => {
      const entries = await collection.descriptors();
      return entries.find(({ annotations }) => {
        const name = annotations?.[REF_NAME];
        return name === tag || name?.endsWith(`:${tag}`);
      });
    },
  };
}
