import {
  type RegistryServer,
  serveRegistry,
  type ServeRegistryOptions,
} from "../../registry/server/server.ts";
import type { ContentStore } from "../content/content_store.ts";
import { StoreRegistryContent } from "./registry_content.ts";

/**
 * Serves the images of a store as an OCI registry, and stores what is pushed to it.
 *
 * @param store The store.
 * @param options Address, TLS, access, limits and hooks.
 * @returns The registry, listening. Dispose of it to stop it.
 * @throws {Deno.errors.AddrInUse} If the port is taken.
 *
 * @example A registry that keeps what it gets
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
  return await serveRegistry(new StoreRegistryContent(store), options);
}
