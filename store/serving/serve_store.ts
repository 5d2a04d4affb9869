import {
  type RegistryServer,
  serveRegistry,
  type ServeRegistryOptions,
} from "../../registry/server/server.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreRegistryContent } from "./registry_content.ts";
import { holdWhileServing } from "./serving_hold.ts";

/**
 * Serves the images of a store as an OCI registry, and stores pushed images. Content without a name
 * is protected against pruning for an hour.
 *
 * @param store The store.
 * @param options Address, TLS, access, limits and hooks.
 * @returns The listening registry. Dispose of it to stop it.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example Serve a persistent registry
 * ```ts
 * import { ContentStore, serveStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * {
 *   await using registry = await serveStore(await ContentStore.open(directory));
 *   const response = await fetch(`${registry.url}/v2/_catalog`);
 *
 *   assertEquals(await response.json(), { repositories: [] });
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function serveStore(
  store: ContentStore,
  options: ServeRegistryOptions = {},
): Promise<RegistryServer> {
  const hold = options.readOnly ? undefined : await holdWhileServing(store);
  try {
    const server = await serveRegistry(new StoreRegistryContent(store), options);
    const finished = server.finished.finally(() => hold?.[Symbol.dispose]());
    return {
      url: server.url,
      host: server.host,
      finished,
      async [Symbol.asyncDispose]() {
        await server[Symbol.asyncDispose]();
        await finished;
      },
    };
  } catch (error) {
    hold?.[Symbol.dispose]();
    throw error;
  }
}
