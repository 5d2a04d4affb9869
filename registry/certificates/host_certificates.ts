import { isGranted } from "../../spec/granted.ts";
import type { RegistryHost } from "../registry_rule.ts";
import type { ClientCertificate, HostCertificates } from "../credentials.ts";
import { certificateProblem, readAuthorities, readPair } from "./_certificate_files.ts";

/** Reads the certificate files of a host. Warns of unusable files and skips them. */
export async function readHostCertificates(
  { caFiles, clientFiles }: Pick<RegistryHost, "caFiles" | "clientFiles">,
  onWarning: ((message: string) => void) | undefined,
): Promise<HostCertificates> {
  const caCerts: string[] = [];
  for (const path of caFiles) {
    const text = await tryToUse(path, readAuthorities, onWarning);
    if (text !== undefined) caCerts.push(text);
  }
  let clientCertificate: ClientCertificate | undefined;
  for (const { cert, key } of clientFiles) {
    clientCertificate ??= await tryToUse(cert, () => readPair(cert, key), onWarning);
  }
  return { caCerts, clientCertificate };
}

async function tryToUse<T>(
  path: string,
  read: (path: string) => Promise<T>,
  onWarning: ((message: string) => void) | undefined,
): Promise<T | undefined> {
  try {
    if (!isGranted({ name: "read", path })) throw new Error(`it needs --allow-read=${path}`);
    return await read(path);
  } catch (error) {
    onWarning?.(`Cannot use "${path}": ${certificateProblem(error)}`);
    return undefined;
  }
}
