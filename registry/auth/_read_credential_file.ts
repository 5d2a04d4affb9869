import { isGranted } from "../../spec/granted.ts";
import { CredentialFileError } from "../errors.ts";
import { readProblem, readUserFile } from "../configuration/user_file.ts";
import { type CredentialFile, parseCredentialFile } from "./_credential_file.ts";

/** A credential file, or the reason for not using it. */
export type CredentialFileResult =
  | { readonly state: "found"; readonly file: CredentialFile }
  | { readonly state: "absent" }
  | { readonly state: "not granted" }
  | { readonly state: "invalid" | "unreadable"; readonly why: string };

/** Reads a credential file without prompting for the permission. Does not fail. */
export async function findCredentialFile(path: string): Promise<CredentialFileResult> {
  if (!isGranted({ name: "read", path })) return { state: "not granted" };
  try {
    return await read(path);
  } catch (error) {
    return { state: "unreadable", why: readProblem(error) };
  }
}

/**
 * Reads a credential file that is about to change; returns `undefined` if there is none.
 *
 * @throws {CredentialFileError} If it is not a JSON object.
 */
export async function readCredentialFile(
  path: string,
  name: string = path,
): Promise<CredentialFile | undefined> {
  const result = await read(path);
  if (result.state === "found") return result.file;
  if (result.state === "absent") return undefined;
  throw new CredentialFileError(name, result.why);
}

async function read(
  path: string,
): Promise<Exclude<CredentialFileResult, { readonly state: "not granted" }>> {
  let bytes: Uint8Array<ArrayBuffer> | string;
  try {
    bytes = await readUserFile(path);
  } catch (error) {
    const isAbsent = error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory;
    if (isAbsent) return { state: "absent" };
    throw error;
  }
  if (typeof bytes === "string") return { state: "unreadable", why: bytes };
  const file = parseCredentialFile(path, bytes);
  return typeof file === "string" ? { state: "invalid", why: file } : { state: "found", file };
}
