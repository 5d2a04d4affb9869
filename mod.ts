/**
 * Any container image for a Deno program: pulled, verified, and cached in a store that other
 * tools can read. No daemon, no other program.
 *
 * {@linkcode pull} is the short way. {@linkcode CachingPuller} is made of parts that can be
 * replaced: a {@linkcode HashCache}, an {@linkcode ImageCache}, and an {@linkcode ImageClient}
 * such as {@linkcode RemoteClient}.
 *
 * ```ts
 * import { type Image, pull } from "@x/oci";
 *
 * async function command(reference: string): Promise<readonly string[]> {
 *   const image: Image = await pull(reference, { platform: "linux/arm64" });
 *   const { Entrypoint = [], Cmd = [] } = image.config.value.config;
 *   return [...Entrypoint, ...Cmd];
 * }
 *
 * console.log(typeof command);
 * ```
 *
 * Run as a program, it is the command line: `deno run -A jsr:@x/oci --help`.
 *
 * Importing it needs no permission. `@x/oci/spec`, `@x/oci/layer`, `@x/oci/registry`,
 * `@x/oci/store` and `@x/oci/cache` are its parts, with what reads layers, makes bundles and
 * serves registries; from here come all of their types, what pulls, pushes and copies, and the errors of that.
 *
 * @module
 */
export * from "./cache/caching_puller.ts";
export * from "./cache/copy.ts";
export * from "./cache/directory.ts";
export * from "./cache/errors.ts";
export * from "./cache/hash_cache.ts";
export * from "./cache/layout_image_cache.ts";
export type * from "./cache/mod.ts";
export * from "./cache/prepare.ts";
export * from "./cache/pull.ts";
export * from "./cache/pull_artifact.ts";
export * from "./cache/push.ts";
export * from "./cache/push_artifact.ts";
export * from "./cache/unpack.ts";
export * from "./layer/errors.ts";
export type * from "./layer/mod.ts";
export * from "./registry/transport/certificates.ts";
export * from "./registry/credentials.ts";
export * from "./registry/errors.ts";
export type * from "./registry/mod.ts";
export * from "./registry/reference.ts";
export * from "./registry/client/remote_client.ts";
export * from "./spec/digest.ts";
export * from "./spec/errors.ts";
export type * from "./spec/mod.ts";
export * from "./spec/platform.ts";
export * from "./store/content/content_store.ts";
export * from "./store/errors.ts";
export type * from "./store/mod.ts";

if (import.meta.main) {
  const { main } = await import("./cli/main.ts");
  Deno.exitCode = await main(Deno.args);
  // To end by itself takes Deno 10 ms longer, and after an interruption (128 and more) something
  // may wait that never comes, such as the reader of a pipe. Other failures let it end by itself.
  if (Deno.exitCode === 0 || Deno.exitCode >= 128) Deno.exit();
}
