import {
  type RegistryServer,
  serveRegistry,
  type ServeRegistryOptions,
} from "../../registry/server/server.ts";
import type { ContentStore } from "../content/content_store.ts";
import { holdWhileServing } from "./serving_hold.ts";
import { StoreRegistryContent } from "./store_registry_content.ts";

/**
 * Serves the images of a store as an OCI registry, and stores pushed images. Content without a name
 * is protected against pruning for an hour.
 *
 * As with {@linkcode StoreRegistryContent}, an image that is pushed to `a/b:1` gets the name
 * `localhost/a/b:1` in the store, whatever the host and the port of the server are.
 *
 * @param store The store.
 * @param options Address, TLS, access, limits and hooks.
 * @returns The listening registry. Dispose of it to stop it.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example Serve the images of a store
 * ```ts
 * import { pull } from "@x/oci";
 * import { ContentStore, serveStore } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * await pull("alpine:3.20", { store: "./store" });
 *
 * await using registry = await serveStore(await ContentStore.open("./store"), { readOnly: true });
 * const response = await fetch(`${registry.url}/v2/_catalog`);
 *
 * assertEquals((await response.json()).repositories.length, 1);
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
