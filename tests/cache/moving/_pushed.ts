import {
  parseReference,
  type RemoteClientOptions,
  RepositoryContent,
} from "../../../registry/mod.ts";
import { copyGraph, copyNamed, MemoryContent } from "../../../store/mod.ts";
import type { Built } from "../../_support/image.ts";
import type { WritableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";

/** Everything of some images, in memory. */
export async function memoryOf(...built: readonly Built[]): Promise<MemoryContent> {
  const content = new MemoryContent();
  for (const { descriptor, bytes } of built.flatMap(({ blobs }) => [...blobs.values()])) {
    await content.push(descriptor, () => Promise.resolve(new Blob([bytes]).stream()));
  }
  return content;
}

/** Pushes an image, an index or an artifact to a registry; without a tag, by its digest. */
export async function pushBuilt(
  { host }: Pick<WritableRegistry, "host">,
  name: string,
  built: Built,
  options: RemoteClientOptions = {},
): Promise<void> {
  using client = testClient(options);
  const reference = parseReference(`${host}/${name}`);
  const target = new RepositoryContent(client, reference);
  const source = await memoryOf(built);
  const { tag } = reference;
  if (tag === undefined || tag === "none") await copyGraph(source, target, built.descriptor);
  else await copyNamed(source, target, built.descriptor, tag);
}
