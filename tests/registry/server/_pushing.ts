import { assertEquals } from "@std/assert";
import {
  createRegistryHandler,
  MemoryRegistryContent,
  type RegistryHandler,
  type RegistryHandlerOptions,
  type WritableRegistryContent,
} from "../../../registry/mod.ts";
import { ContentStore, StoreRegistryContent } from "../../../store/mod.ts";
import type { Built } from "../../_support/image.ts";
import { makeTempDir } from "../../_support/temp.ts";

/** A registry without a network, to push to. */
export interface TestRegistry extends AsyncDisposable {
  readonly content: WritableRegistryContent;
  readonly handler: RegistryHandler;
  /** Sends a request; the path is below `/v2`. */
  send(method: string, path: string, init?: RequestInit): Promise<Response>;
  /** Uploads a blob, whole. */
  pushBlob(repository: string, blob: Pick<Built, "descriptor" | "bytes">): Promise<void>;
  /** Pushes everything that belongs to an image, an index or an artifact. */
  push(repository: string, reference: string, built: Built): Promise<void>;
}

/** The kinds of content that can be pushed to. */
export const KINDS = [{ kind: "memory" }, { kind: "store" }] as const;

/** Makes a registry that can be pushed to. */
export async function makeRegistry(
  kind: "memory" | "store" = "memory",
  options: RegistryHandlerOptions = {},
): Promise<TestRegistry> {
  await using stack = new AsyncDisposableStack();
  let content: WritableRegistryContent = new MemoryRegistryContent();
  if (kind === "store") {
    const directory = stack.use(await makeTempDir({ large: true }));
    content = new StoreRegistryContent(await ContentStore.open(directory.path));
  }
  const handler = stack.use(createRegistryHandler(content, options));
  const send = (method: string, path: string, init?: RequestInit) =>
    handler(new Request(`http://localhost/v2${path}`, { ...init, method }));
  const pushBlob: TestRegistry["pushBlob"] = async (repository, { descriptor, bytes }) => {
    const path = `/${repository}/blobs/uploads/?digest=${descriptor.digest}`;
    assertEquals((await send("POST", path, { body: bytes })).status, 201);
  };
  const owned = stack.move();
  return {
    content,
    handler,
    send,
    pushBlob,
    push: async (repository, reference, built) => {
      for (const { descriptor, bytes } of built.blobs.values()) {
        const { digest, mediaType } = descriptor;
        if (digest === built.descriptor.digest) continue;
        if (!/manifest|index/.test(mediaType)) await pushBlob(repository, { descriptor, bytes });
        else await putManifest(send, repository, digest, { descriptor, bytes });
      }
      await putManifest(send, repository, reference, built);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function putManifest(
  send: TestRegistry["send"],
  repository: string,
  reference: string,
  { descriptor, bytes }: Pick<Built, "descriptor" | "bytes">,
): Promise<void> {
  const headers = { "content-type": descriptor.mediaType };
  const path = `/${repository}/manifests/${reference}`;
  const response = await send("PUT", path, { headers, body: bytes });
  assertEquals(response.status, 201, await response.text());
}
