import type { PullOptions } from "../../cache/pull_options.ts";
import { RemoteClient } from "../../registry/client/remote_client.ts";
import type { CertificateStore, CredentialStore } from "../../registry/credentials.ts";
import type { ImageClientOptions, ImagePullAuth } from "../../registry/image_client.ts";
import type { RemoteClientOptions } from "../../registry/remote_client_options.ts";
import { abortable } from "../../registry/tasks/abortable.ts";
import { UsageError } from "../frame/errors.ts";
import { mirrorsOf, type RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { formatDuration } from "../terminal/format.ts";

/** Options of {@linkcode openClient} that take precedence over those of the command line. */
export type ClientOverrides = Pick<
  RemoteClientOptions,
  "plainHttp" | "credentials" | "retries"
>;

/** Certificates in `certs.d`. Loads the code that finds them with the first request over TLS. */
const CERTIFICATES: CertificateStore = {
  find: async (host, options) => {
    const { CertificateDirectories } = await import(
      "../../registry/certificates/certificate_directories.ts"
    );
    return await new CertificateDirectories().find(host, options);
  },
};

/** Creates a client from the options. The caller disposes of it. */
export async function openClient(
  session: Session,
  overrides: ClientOverrides = {},
): Promise<RemoteClient> {
  const options = session.options<RegistryOptions>();
  const { plainHttp, retries, maxWait, allowPrivateAddresses, jobs = 6, connections = 12 } =
    options;
  const { platform, authfile, debug, verbose } = options;
  // The file may be a named pipe without a writer.
  const [clientCertificate, authorities] = await abortable(
    Promise.all([
      readClientCertificate(options),
      Promise.all((options.ca ?? []).map(readAuthority)),
    ]),
    session.signal,
  );
  const caCerts = authorities.flat();
  return new RemoteClient({
    caCerts,
    certificates: CERTIFICATES,
    mirrors: mirrorsOf(options),
    registries: async () => {
      const { readRegistries } = await import("./registries.ts");
      return await readRegistries(session);
    },
    onWarning: session.warn,
    credentials: overrides.credentials ??
      (authfile === undefined ? undefined : await credentialsIn(authfile)),
    plainHttp: overrides.plainHttp ?? plainHttp,
    retries: overrides.retries ?? retries,
    maxWaitMs: maxWait,
    allowPrivateAddresses,
    // A range starts before the previous one ends.
    maxConnections: Math.max(jobs, connections + 4),
    connections,
    platform,
    clientCertificate,
    onRequest: debug || verbose ? requestLog(session) : undefined,
  });
}

/** Opens the file of `--authfile`, which must exist, unlike the default files. */
async function credentialsIn(path: string): Promise<CredentialStore> {
  const { naming } = await import("./option_file.ts");
  await naming("--authfile", path, () => Deno.stat(path));
  const { CredentialFiles } = await import("../../registry/credentials/credential_files.ts");
  return new CredentialFiles({ paths: [path] });
}

async function readAuthority(path: string): Promise<readonly string[]> {
  const { readCertificates } = await import("../../registry/certificates/read_certificates.ts");
  const { naming } = await import("./option_file.ts");
  return await naming("--ca", path, () => readCertificates(path));
}

async function readClientCertificate(
  { clientCert, clientKey }: RegistryOptions,
): Promise<RemoteClientOptions["clientCertificate"]> {
  if (clientCert === undefined && clientKey === undefined) return undefined;
  const { readKeyPair } = await import("./option_file.ts");
  return await readKeyPair("--client", clientCert, clientKey);
}

function requestLog(session: Session): NonNullable<RemoteClientOptions["onRequest"]> {
  const { debug } = session.options();
  return ({ method, url, status, error, durationMs, rateLimit }) => {
    const outcome = status ?? `failed (${error})`;
    if (debug) {
      session.notices.report("debug", `${method} ${url} ${outcome}, ${formatDuration(durationMs)}`);
    }
    if (rateLimit !== undefined) {
      session.notices.report("note", `rate limit of ${new URL(url).host}: ${rateLimit} left`);
    }
  };
}

/** Returns the options for pulling: policy, platform, credentials and callbacks. */
export async function imageOptions(
  session: Session,
): Promise<ImageClientOptions & Pick<PullOptions, "checkTag">> {
  const { policy, platform, strictPlatform, checkTag } = session.options<RegistryOptions>();
  const auth = await readAuth(session);
  return {
    signal: session.signal,
    onWarning: session.warn,
    pullPolicy: policy,
    platform,
    strictPlatform,
    checkTag,
    auth,
  };
}

const READ = new WeakMap<Session, Promise<ImagePullAuth | undefined>>();

/**
 * Reads the credential of the command line, if any. Reads it only once per command, because the
 * password may come from stdin or a prompt.
 *
 * @param registry Registry for which to prompt for a missing user name.
 * @throws {UsageError} If the options contradict each other.
 */
export function readAuth(
  session: Session,
  registry?: string,
): Promise<ImagePullAuth | undefined> {
  return READ.getOrInsertComputed(session, () => read(session, registry));
}

async function read(
  session: Session,
  registry: string | undefined,
): Promise<ImagePullAuth | undefined> {
  const options = session.options<RegistryOptions>();
  const { passwordStdin, identityToken, registryToken } = options;
  let { user } = options;
  const ways = [user, identityToken, registryToken].filter((way) => way !== undefined);
  if (ways.length > 1) {
    throw new UsageError(
      "only one way to log in is allowed",
      'Choose "--user", "--identity-token" or "--registry-token"',
    );
  }
  if (passwordStdin && user === undefined) {
    throw new UsageError("the user name is missing", 'Add "--user NAME"');
  }
  if (identityToken !== undefined) return { identityToken };
  if (registryToken !== undefined) return { registryToken };
  if (user === undefined) {
    if (registry === undefined) return undefined;
    const { promptUser } = await import("./password.ts");
    user = await promptUser(registry, session.notices, { signal: session.signal });
  }
  const colon = user.indexOf(":");
  const username = colon < 0 ? user : user.slice(0, colon);
  if (username === "") {
    throw new UsageError("the user name is empty", 'Specify "--user NAME[:PASSWORD]"');
  }
  if (colon >= 0 && passwordStdin) {
    throw new UsageError(
      "there are two passwords",
      'Leave out the one in "--user" or "--password-stdin"',
    );
  }
  if (colon >= 0) return { username, password: user.slice(colon + 1) };
  const { promptPassword, readPassword } = await import("./password.ts");
  const password = passwordStdin
    ? await readPassword(session.signal)
    : await promptPassword(username, session.notices, { signal: session.signal });
  return { username, password };
}
