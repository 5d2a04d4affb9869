import { fromFileUrl } from "@std/path";

/** The beginning of a command of `oci`, from the checkout. */
export const OCI: string = `${Deno.execPath()} run -A ${
  fromFileUrl(new URL("../mod.ts", import.meta.url))
}`;
