import { basicAuthentication } from "../../../registry/server/basic_authentication.ts";
import { parseHtpasswd } from "../../../registry/server/htpasswd.ts";
import type { RegistryContent } from "../../../registry/server/registry_content.ts";
import {
  type RegistryServer,
  serveRegistry,
  type ServeRegistryOptions,
} from "../../../registry/server/server.ts";
import { abortable } from "../../../registry/tasks/abortable.ts";
import { describeError } from "../../../spec/error_facts.ts";
import type { ContentStore } from "../../../store/content/content_store.ts";
import { describeSystemError } from "../../../store/host/system_error.ts";
import { ProxyRegistryContent } from "../../../store/serving/proxy_registry_content.ts";
import { holdWhileServing } from "../../../store/serving/serving_hold.ts";
import { StoreRegistryContent } from "../../../store/serving/store_registry_content.ts";
import {
  type Address,
  formatAddress,
  isOpenToNetwork,
  parseAddress,
  type ServeAccess,
  servesReadOnly,
} from "../../access/address.ts";
import { readKeyPair, readOptionFile } from "../../access/option_file.ts";
import { openStore } from "../../access/store.ts";
import { openUpstream, parseUpstream, refuseUpstreamOptions } from "../../access/upstream.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addRegistryOptions, type RegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

interface ServeOptions extends ServeAccess, Omit<RegistryOptions, "platform" | "policy"> {
  readonly allowSparseIndexes?: true | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
}

const DEFAULT_ADDRESS: Address = { hostname: "127.0.0.1", port: 5000 };

export function define(command: Command): Command {
  const described = command
    .description(
      "Serves the store as a registry until interrupted. Stores pushed images as " +
        "localhost/NAME. Without --htpasswd, every client that reaches the address can pull; on a " +
        "loopback address, it can also push and delete.",
    )
    .option(
      "--listen <host:port>",
      "address to listen on; port 0 picks a free port (default: 127.0.0.1:5000)",
      { parse: parseAddress },
    )
    .option(
      "--read-only",
      "reject pushes and deletions (default: on, except on loopback or with --htpasswd)",
    )
    .option(
      "--proxy <url>",
      "serve this registry's images and cache them in the store; rejects pushes",
      { parse: parseUpstream },
    )
    .option(
      "--allow-sparse-indexes",
      'accept indexes without some of their manifests, as "oci push --sparse" sends them',
    )
    .option("--tls-cert <file>", "certificate chain in PEM; enables HTTPS")
    .option("--tls-key <file>", "private key of the certificate in PEM")
    .option(
      "--htpasswd <file>",
      "require a login as one of the users in this file (bcrypt hashes)",
    );
  return addRegistryOptions(described, {
    features: ["mirror"],
    defaults: { "--retries": "2" },
  }).notes(`
The options for registries apply to the registry of --proxy. The clients of the proxy retry as well.

Examples:
  oci serve
  oci serve --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  oci serve --proxy https://registry-1.docker.io
  oci serve --proxy https://registry.example --user ci --password-stdin < token
  oci serve --listen 127.0.0.1:0 --json`);
}

export async function run(session: Session): Promise<void> {
  const { listen = DEFAULT_ADDRESS, ...options } = session.options<ServeOptions>();
  const store = await openStore(session);
  const readOnly = servesReadOnly({ listen, ...options });
  await using resources = new AsyncDisposableStack();
  const content = await openContent(session, store, resources);
  if (!readOnly || options.proxy !== undefined) resources.use(await holdWhileServing(store));
  await using server = await listenAt(listen, content, {
    // The file may be a named pipe without a writer.
    ...await abortable(readTls(options), session.signal),
    ...await abortable(readPasswords(options), session.signal),
    readOnly,
    allowSparseIndexes: options.allowSparseIndexes,
    signal: session.signal,
    onError: (error) => session.warn(describeError(error)),
    onRequest: ({ method, path, status }) => {
      if (!options.debug) return;
      session.notices.report("debug", `${method} ${path} ${status}`);
    },
  });
  if (readOnly && !options.readOnly && options.proxy === undefined) {
    session.note(
      "read-only because other machines can reach the address; allow pushes with --htpasswd",
    );
  }
  try {
    await session.print({ url: server.url, readOnly }, [`listening on ${server.url}`]);
  } catch (error) {
    // Once it listens, an interruption is the usual end.
    if (!session.signal.aborted) throw error;
  }
  await server.finished;
}

async function openContent(
  session: Session,
  store: ContentStore,
  resources: AsyncDisposableStack,
): Promise<RegistryContent> {
  const options = session.options<ServeOptions>();
  if (options.proxy === undefined) {
    refuseUpstreamOptions(session);
    return new StoreRegistryContent(store);
  }
  const { registry, prefix } = options.proxy;
  // Unknown clients must not pull private images with the credentials of this user.
  const isAnonymous = isOpenToNetwork(options);
  const { warn: onWarning, signal } = session;
  const client = resources.use(await openUpstream(session, options.proxy, isAnonymous));
  if (isAnonymous) {
    session.note(
      `using no credentials for ${registry} because other machines can reach the address; ` +
        "enable them with --htpasswd",
    );
  }
  return new ProxyRegistryContent(store, client, { registry, prefix }, { onWarning, signal });
}

async function listenAt(
  address: Address,
  content: RegistryContent,
  options: ServeRegistryOptions,
): Promise<RegistryServer> {
  try {
    return await serveRegistry(content, { ...address, ...options });
  } catch (cause) {
    if (!(cause instanceof Error) || cause instanceof Deno.errors.NotCapable) throw cause;
    if (cause instanceof Deno.errors.InvalidData) {
      throw new UsageError(
        `cannot serve over TLS: ${describeSystemError(cause)}`,
        'Specify PEM files with "--tls-cert" and "--tls-key"',
        { cause },
      );
    }
    const isPrivileged = cause instanceof Deno.errors.PermissionDenied;
    const why = isPrivileged ? "only root may use ports below 1024" : describeSystemError(cause);
    const subject = formatAddress(address);
    throw new CommandError(
      `cannot listen on ${subject}: ${why}`,
      "Choose another address with --listen",
      { subject, cause },
    );
  }
}

async function readTls(
  { tlsCert, tlsKey }: ServeOptions,
): Promise<Pick<ServeRegistryOptions, "cert" | "key">> {
  if (tlsCert === undefined && tlsKey === undefined) return {};
  return await readKeyPair("--tls", tlsCert, tlsKey);
}

async function readPasswords(
  { htpasswd }: ServeOptions,
): Promise<Pick<ServeRegistryOptions, "authenticate">> {
  if (htpasswd === undefined) return {};
  const text = await readOptionFile("--htpasswd", htpasswd);
  try {
    return { authenticate: basicAuthentication(parseHtpasswd(text)) };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new UsageError(
      describeError(cause),
      'Create the file with "htpasswd -B"',
      { subject: htpasswd, cause },
    );
  }
}
