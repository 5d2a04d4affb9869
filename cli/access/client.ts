import { RemoteClient } from "../../registry/client/remote_client.ts";
import type { CredentialStore } from "../../registry/credentials.ts";
import type {
  CertificateStore,
  RemoteClientOptions,
} from "../../registry/remote_client_options.ts";
import { abortable } from "../../registry/tasks/abortable.ts";
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
      "../../registry/auth/certificate_directories.ts"
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
  const { plainHttp, retries, jobs = 6, connections = 12, platform, authfile, debug, verbose } =
    options;
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
  const { CredentialFiles } = await import("../../registry/auth/credential_files.ts");
  return new CredentialFiles({ paths: [path] });
}

async function readAuthority(path: string): Promise<readonly string[]> {
  const { readCertificates } = await import("../../registry/transport/certificates.ts");
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
      session.notices.line(
        `oci: debug: ${method} ${url} ${outcome}, ${formatDuration(durationMs)}`,
      );
    }
    if (rateLimit !== undefined) {
      session.notices.line(`oci: rate limit of ${new URL(url).host}: ${rateLimit} left`);
    }
  };
}
