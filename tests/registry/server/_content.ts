import type { RegistryContent } from "../../../registry/mod.ts";

/** Content with one empty repository, and the overrides of a test. */
export function contentWith(parts: Partial<RegistryContent>): RegistryContent {
  return {
    repositories: () => Promise.resolve(["a"]),
    tags: () => Promise.resolve([]),
    resolve: () => Promise.resolve(undefined),
    size: () => Promise.resolve(undefined),
    open: () => Promise.reject(new Deno.errors.NotFound()),
    referrers: () => Promise.resolve([]),
    ...parts,
  };
}
