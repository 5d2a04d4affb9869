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
 * `@x/oci/store` and `@x/oci/cache` are its parts.
 *
 * @module
 */
export * from "./cache/mod.ts";
export * from "./layer/mod.ts";
export * from "./registry/mod.ts";
export * from "./spec/mod.ts";
export * from "./store/mod.ts";

if (import.meta.main) Deno.exitCode = await (await import("./cli/main.ts")).main(Deno.args);
