/**
 * Reads the programs of the helpers that credential files name. Ignores files that are missing,
 * invalid or unreadable.
 *
 * @param paths The files.
 * @param registry The registry that the helpers are for; by default, any.
 */
export async function credentialHelpers(
  paths: readonly string[],
  registry?: string,
): Promise<readonly string[]> {
  const helpers = await Promise.all(paths.map(async (path) => {
    const { credHelpers, credsStore } = await readObject(path);
    const named = Object.entries(isObject(credHelpers) ? credHelpers : {})
      .filter(([key]) => registry === undefined || hostOf(key) === hostOf(registry))
      .map(([, helper]) => helper);
    return [...named, credsStore];
  }));
  const names = helpers.flat().filter((name) => typeof name === "string" && name !== "");
  return [...new Set(names)].map((name) => `docker-credential-${name}`);
}

async function readObject(path: string): Promise<Readonly<Record<string, unknown>>> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return {};
  try {
    const value: unknown = JSON.parse(await Deno.readTextFile(path));
    return isObject(value) ? value : {};
  } catch {
    // The pull reports the error; here it only matters that the file names no helper.
    return {};
  }
}

/** Returns the host in a key of a credential file. Docker Hub has several keys. */
function hostOf(key: string): string {
  const host = key.replace(/^https?:\/\//, "").split("/")[0] ?? "";
  return /^(?:index\.|registry-1\.)?docker\.io$/.test(host) ? "docker.io" : host;
}
import { isObject } from "../../spec/json.ts";
