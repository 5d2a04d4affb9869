import { isObject } from "../../spec/json.ts";

/** Content of the `oci-layout` file. */
export const LAYOUT_VERSION: Readonly<Record<string, string>> = { imageLayoutVersion: "1.0.0" };

/**
 * Returns the reason for rejecting an OCI image layout by its `oci-layout` file; `undefined` if its
 * version is supported.
 */
export function layoutVersionProblem(layout: unknown): string | undefined {
  const version = isObject(layout) ? layout.imageLayoutVersion : undefined;
  const { imageLayoutVersion: supported } = LAYOUT_VERSION;
  if (version === supported) return undefined;
  const found = typeof version === "string" ? `has version "${version}"` : "has no version";
  return `its oci-layout file ${found}, not ${supported}`;
}
