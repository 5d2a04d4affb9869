import { fromFileUrl } from "@std/path";

/** Start of a command line that runs `oci` from the checkout. */
export const OCI: string = `${Deno.execPath()} run -A ${
  fromFileUrl(new URL("../mod.ts", import.meta.url))
}`;
