import { parsePlatform, type Platform } from "../spec/mod.ts";

/** What images run on here: Linux, in a virtual machine where need be, on this CPU. */
export function hostPlatform(): Platform {
  return parsePlatform(`linux/${Deno.build.arch}`);
}
