import type { RemoteClient } from "../../registry/client/remote_client.ts";
import type { CredentialStore } from "../../registry/credentials.ts";
import type { ImagePullAuth } from "../../registry/image_client.ts";
import { DOCKER_HUB, DOCKER_HUB_HOSTS, parseReference } from "../../registry/reference.ts";
import { UsageError } from "../frame/errors.ts";
import { REGISTRY_GROUP, type RegistryOptions } from "../frame/options.ts";
import type { Session } from "../frame/session.ts";
import { openClient, readAuth } from "./client.ts";

/** Upstream registry of `serve`. */
export interface Upstream {
  /** Registry in the form of references. */
  readonly registry: string;
  readonly prefix: string | undefined;
  /** Whether it uses HTTP without TLS; `undefined` if the address has no scheme. */
  readonly plainHttp: boolean | undefined;
}

/** Default number of retries of the proxy: its clients wait for them, and retry on their own. */
const PROXY_RETRIES = 2;

/**
 * Parses the value of `--proxy`.
 *
 * @throws {SyntaxError} If the text is not the URL of a registry.
 */
export function parseUpstream(text: string): Upstream {
  const match = /^(?:(https?):\/\/)?([^/?#@\s]+)(?:\/+([^?#@\s]*?))?\/*$/.exec(text);
  const [, scheme, host = "", path = ""] = match ?? [];
  const registry = DOCKER_HUB_HOSTS.has(host) ? DOCKER_HUB : host;
  // The path of the API is not part of a repository name.
  const prefix = path === "" || path === "v2" ? undefined : path;
  if (match === null || !isRegistry(registry, prefix)) {
    throw new SyntaxError("it must be the URL of a registry, such as https://registry-1.docker.io");
  }
  return { registry, prefix, plainHttp: scheme === undefined ? undefined : scheme === "http" };
}

function isRegistry(registry: string, prefix: string | undefined): boolean {
  try {
    // A name without a dot or a port would be parsed as part of the repository.
    return parseReference(`${registry}/${prefix ?? "x"}/x`).registry === registry;
  } catch {
    return false;
  }
}

/**
 * Creates the client for an upstream registry from the options. The caller disposes of it.
 *
 * @param isAnonymous Whether the proxy must use no credential, because strangers can reach it.
 * @throws {UsageError} If `isAnonymous` is set but the options contain a credential.
 */
export async function openUpstream(
  session: Session,
  { registry, plainHttp }: Upstream,
  isAnonymous: boolean,
): Promise<RemoteClient> {
  const { authfile, clientCert, retries = PROXY_RETRIES } = session.options<RegistryOptions>();
  const auth = await readAuth(session);
  const hasCredential = auth !== undefined || authfile !== undefined || clientCert !== undefined;
  if (isAnonymous && hasCredential) {
    throw new UsageError(
      `all clients that reach the address could pull from ${registry} with this credential`,
      "Require a login with --htpasswd",
    );
  }
  return await openClient(session, {
    plainHttp,
    credentials: isAnonymous ? "none" : auth && only(registry, auth),
    retries,
  });
}

/** Returns a credential store with one credential for one registry. */
function only(registry: string, auth: ImagePullAuth): CredentialStore {
  return {
    find: (repository) => {
      const found = { auth, source: "the command line" };
      return Promise.resolve(repository.registry === registry ? found : undefined);
    },
  };
}

/**
 * Checks that `serve` without an upstream registry has no options for one.
 *
 * @throws {UsageError} If it has.
 */
export function refuseUpstreamOptions(session: Session): void {
  const values = session.options<Record<string, unknown>>();
  for (const { group, key, long } of session.command.options) {
    if (group !== REGISTRY_GROUP || values[key] === undefined) continue;
    throw new UsageError(`"${long}" requires "--proxy"`, `Leave it out, or add "--proxy URL"`);
  }
}
