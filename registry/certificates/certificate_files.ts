import { describeError } from "../../spec/error_facts.ts";
import { isGranted } from "../../spec/granted.ts";
import { readUserFile } from "../configuration/user_file.ts";
import type { ClientCertificate, HostCertificates } from "../credentials.ts";
import {
  CERTIFICATE_MARK,
  ENCRYPTED_KEY,
  OLD_VERSION,
  OLD_VERSION_PROBLEM,
} from "../http1/certificate_error.ts";
import type { RegistryHost } from "../registry_rule.ts";

/** Reads the certificates of authorities. */
export async function readAuthorities(path: string): Promise<string> {
  const text = await readCertificate(path);
  check({ caCerts: [text] }, "it is damaged");
  return text;
}

/** Reads a client certificate and its key, which may be in the same file. */
export async function readPair(path: string, keyPath: string): Promise<ClientCertificate> {
  const pair = { cert: await readCertificate(path), key: await readText(keyPath) };
  const keyName = keyPath.slice(keyPath.lastIndexOf("/") + 1);
  if (ENCRYPTED_KEY.test(pair.key)) {
    throw new Error(`"${keyName}" has a password. Remove it with "openssl pkey"`);
  }
  check(pair, `it does not match "${keyName}", or one of them is damaged`);
  return pair;
}

async function readCertificate(path: string): Promise<string> {
  const text = await readText(path);
  if (!text.includes(CERTIFICATE_MARK)) {
    throw new Error(`it does not contain "${CERTIFICATE_MARK}"`);
  }
  return text;
}

/** Has Deno parse certificates and a key now, so that no later request fails on damaged ones. */
function check(options: ClientCertificate | { readonly caCerts: string[] }, problem: string): void {
  try {
    Deno.createHttpClient(options).close();
  } catch (error) {
    const text = describeError(error);
    throw new Error(OLD_VERSION.test(text) ? `it ${OLD_VERSION_PROBLEM}` : `${problem} (${text})`);
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readUserFile(path);
  if (typeof bytes === "string") throw new Error(bytes);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** Returns the reason why a file cannot be used. */
export function certificateProblem(error: unknown): string {
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  // It is a dangling link.
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  return describeError(error);
}

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
