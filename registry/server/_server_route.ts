import { isDigest } from "../../spec/digest.ts";
import { isRepositoryName } from "../reference.ts";
import { failure } from "./_server_response.ts";

/** A parsed path of the registry. */
export type Route =
  | { readonly kind: "root" | "catalog" }
  | { readonly kind: "tags" | "uploads"; readonly name: string }
  | {
    readonly kind: "manifest" | "blob" | "referrers" | "upload";
    readonly name: string;
    readonly reference: string;
  };

const KINDS = { manifests: "manifest", blobs: "blob", referrers: "referrers" } as const;

/** Parses a path, or returns the response for an invalid one. */
export function parseRoute(pathname: string): Route | Response {
  let path: string;
  try {
    // Some clients escape the colon of a digest.
    path = decodeURIComponent(pathname);
  } catch {
    return noRoute(pathname);
  }
  if (path === "/v2" || path === "/v2/") return { kind: "root" };
  if (path === "/v2/_catalog") return { kind: "catalog" };
  const tags = /^\/v2\/(.+)\/tags\/list$/s.exec(path)?.[1];
  if (tags !== undefined) return badName(tags) ?? { kind: "tags", name: tags };
  const [, owner, id = ""] = /^\/v2\/(.+)\/blobs\/uploads(?:\/([^/]*))?$/s.exec(path) ?? [];
  if (owner !== undefined) {
    return badName(owner) ??
      (id === ""
        ? { kind: "uploads", name: owner }
        : { kind: "upload", name: owner, reference: id });
  }
  const match = /^\/v2\/(.+)\/(manifests|blobs|referrers)\/([^/]+)$/s.exec(path);
  if (match === null) return noRoute(pathname);
  const [, name = "", folder = "", reference = ""] = match;
  const kind = KINDS[folder as keyof typeof KINDS];
  // A tag has no colon. A malformed one is not found, like one that does not exist.
  const digestNeeded = kind !== "manifest" || reference.includes(":");
  if (digestNeeded && !isDigest(reference)) {
    return badName(name) ??
      failure(400, "DIGEST_INVALID", `"${reference}" is not a sha256 or sha512 digest`);
  }
  return badName(name) ?? { kind, name, reference };
}

function badName(name: string): Response | undefined {
  if (isRepositoryName(name)) return undefined;
  return failure(400, "NAME_INVALID", `"${name}" is not the name of a repository`);
}

function noRoute(pathname: string): Response {
  return failure(404, "UNSUPPORTED", `the registry has no endpoint "${pathname}"`);
}
