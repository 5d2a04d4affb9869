import manifest from "../../deno.json" with { type: "json" };
import type { RegistryRules, RuleSource, SourceList } from "../configuration/registry_rules.ts";
import type { CredentialStore, HostCertificates } from "../credentials.ts";
import type { Reference, Repository } from "../reference.ts";
import type { DefaultCredentialHelpers, RegistryHost } from "../registry_rule.ts";
import type { Clock, RemoteClientOptions, RemoteOptions } from "../remote_client_options.ts";
import { abortable } from "../tasks/abortable.ts";
import { startTimer } from "../tasks/timer.ts";
import { BoundedMap, MAX_HOSTS } from "../transport/bounded_map.ts";
import { Http } from "../transport/http.ts";
import type { Tls } from "../transport/http_request.ts";
import type { RetryPolicy } from "../transport/retry.ts";
import { type Endpoint, mirrorEndpoint, registryEndpoint, sourceEndpoint } from "./_endpoint.ts";
import { HostLimiter } from "./_host_limiter.ts";
import { mirrorAddresses } from "./mirror_addresses.ts";
import { Registry } from "./registry.ts";
import { Sources } from "./sources.ts";

/** Maximum number of concurrent transfers with a host, unless an option sets it. */
export const MAX_CONNECTIONS = 16;
/** Maximum number of {@linkcode Sources} to cache: tokens of callers may change often. */
const MAX_KEPT = 256;
/** Retry policy of mirrors: one retry instead of eight, without long pauses. */
const MIRROR_RETRIES = 1;

/** Clock and random numbers of the system. */
const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  random: () => Math.random(),
  sleep: async (ms, signal) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    using _timer = startTimer(ms, resolve);
    await abortable(promise, signal);
  },
};

/** Reads the certificates that a file names for a host. */
async function certificatesOf(
  host: RegistryHost,
  onWarning: Warner | undefined,
): Promise<HostCertificates> {
  if (host.caFiles.length + host.clientFiles.length === 0) return {};
  const { readHostCertificates } = await import("../certificates/certificate_files.ts");
  return await readHostCertificates(host, onWarning);
}

/** Options that distinguish callers: their connections are not shared. */
type Caller = Pick<RemoteOptions, "auth" | "caCerts">;

type Warner = (message: string) => void;

const WARNERS = new WeakMap<Warner, Warner>();

/** Returns a callback that passes each distinct message to `onWarning` once. */
function warnOnce(onWarning: Warner): Warner {
  return WARNERS.getOrInsertComputed(onWarning, () => {
    const warned = new Set<string>();
    return (message) => {
      if (warned.has(message)) return;
      warned.add(message);
      onWarning(message);
    };
  });
}

/**
 * The registries and mirrors that a client uses. They keep connections, tokens and limits per host
 * between calls.
 */
export class Registries implements Disposable {
  readonly http: Http;
  readonly policy: RetryPolicy;
  readonly #options: RemoteClientOptions;
  readonly #rules: RegistryRules | undefined;
  readonly #helpers: DefaultCredentialHelpers | undefined;
  #files: CredentialStore | undefined;
  readonly #limiters = new BoundedMap<string, HostLimiter>(MAX_HOSTS);
  readonly #sources = new BoundedMap<string, Sources>(MAX_KEPT);

  constructor(
    options: RemoteClientOptions,
    rules: RegistryRules | undefined,
    helpers: DefaultCredentialHelpers | undefined,
  ) {
    const { retries = 8, maxWaitMs = 300_000, stallTimeoutMs = 30_000 } = options;
    const { backoff = { firstMs: 500, maxMs: 30_000 }, onRequest } = options;
    const { certificates, onWarning, clock = SYSTEM_CLOCK } = options;
    const { userAgent = `oci/${manifest.version} deno/${Deno.version.deno}` } = options;
    this.#options = options;
    this.#rules = rules;
    this.#helpers = helpers;
    this.http = new Http({
      userAgent,
      stallTimeoutMs,
      onRequest,
      findCertificates: certificates && ((host) => certificates.find(host, { onWarning })),
    });
    this.policy = {
      retries,
      stalls: retries,
      maxWaitMs,
      firstDelayMs: backoff.firstMs,
      maxDelayMs: backoff.maxMs,
      clock,
      isKnown: (url) => this.http.isKnown(url),
    };
  }

  get clock(): Clock {
    return this.policy.clock;
  }

  /**
   * Returns the registry itself for checking a credential. It falls back neither to another
   * credential nor to anonymous access.
   */
  loginTarget(registry: string, caller: Caller): Registry {
    const source = this.#rules?.target({ registry, repository: "" })?.sources.at(-1);
    const endpoint = this.#endpoint(registry, source);
    return this.#registry(endpoint, caller, this.policy, false);
  }

  /** Returns the sources of what a reference names: the mirrors, then the registry itself. */
  sources(place: Reference | Repository, caller: Caller): Sources {
    return this.#sourcesOf(place.registry, this.#rules?.sources(place), caller);
  }

  /** Returns the sources of content that is read by its digest. */
  contentSources(place: Reference | Repository, caller: Caller): Sources {
    return this.#sourcesOf(place.registry, this.#rules?.contentSources(place), caller);
  }

  /** Returns the registry itself for reading what a mirror may lack. */
  origin({ registry, repository }: Repository, caller: Caller): Registry {
    return this.sources({ registry, repository }, caller).upstream;
  }

  /** Returns the registry to write to: mirrors are for reading. */
  target(place: Repository, caller: Caller): Registry {
    return this.#sourcesOf(place.registry, this.#rules?.target(place), caller).upstream;
  }

  #sourcesOf(
    registry: string,
    ruled: SourceList | undefined,
    { auth, caCerts = [] }: Caller,
  ): Sources {
    const key = JSON.stringify([registry, auth, caCerts, ruled?.key]);
    let sources = this.#sources.get(key);
    if (sources === undefined) {
      sources = this.#connect(registry, ruled?.sources ?? [], { auth, caCerts });
      this.#sources.set(key, sources);
    }
    return sources;
  }

  /** Returns the callback for warnings of a call, or else of the client. */
  warner(
    { onWarning = this.#options.onWarning }: Pick<RemoteOptions, "onWarning">,
  ): Warner | undefined {
    return onWarning && warnOnce(onWarning);
  }

  [Symbol.dispose](): void {
    this.http[Symbol.dispose]();
  }

  #connect(registry: string, places: readonly RuleSource[], { auth, caCerts }: Caller): Sources {
    const { mirrors = {}, allowPrivateAddresses: allowPrivate = false } = this.#options;
    const retries = Math.min(this.policy.retries, MIRROR_RETRIES);
    const mirrorPolicy = { ...this.policy, retries, stalls: 0, maxWaitMs: 0 };
    const explicit = mirrorAddresses(registry, mirrors);
    const mirrorEndpoints = explicit.length > 0
      ? explicit.map((address) => mirrorEndpoint(address, allowPrivate))
      : places.filter(({ isMirror }) => isMirror)
        .map((place) => this.#endpoint(registry, place));
    // A file may keep the registry itself from being used for tags.
    const upstream = places.length === 0
      ? [this.#endpoint(registry, undefined)]
      : places.filter(({ isMirror }) => !isMirror).map((place) => this.#endpoint(registry, place));
    return new Sources([
      ...mirrorEndpoints.map((endpoint) => {
        // Explicit credentials belong to the registry, not to its mirrors.
        return this.#registry(endpoint, { caCerts }, mirrorPolicy);
      }),
      ...upstream.map((endpoint) => {
        // Nor do they belong to another registry that a file names.
        const own = endpoint.registry === registry ? auth : undefined;
        return this.#registry(endpoint, { caCerts, auth: own }, this.policy);
      }),
    ], this.clock);
  }

  #endpoint(registry: string, source: RuleSource | undefined): Endpoint {
    const { plainHttp, allowPrivateAddresses: allowPrivate = false } = this.#options;
    const settings = { plainHttp, allowPrivate };
    return source === undefined
      ? registryEndpoint(registry, settings)
      : sourceEndpoint(source, registry, settings);
  }

  #tls({ host, bases, isMirror }: Endpoint, extraCaCerts: readonly string[] = []): Tls {
    const { caCerts = [], clientCertificate, onWarning } = this.#options;
    // A client certificate that a file names for a mirror replaces the one in the options.
    const hasOwn = isMirror && host !== undefined && host.clientFiles.length > 0;
    let reading: Promise<HostCertificates> | undefined;
    return {
      caCerts: [...caCerts, ...extraCaCerts],
      clientCertificate: hasOwn ? undefined : clientCertificate,
      ofFile: host && (() => reading ??= certificatesOf(host, onWarning)),
      unverified: host?.skipVerify ? bases[0]?.host : undefined,
    };
  }

  #registry(
    endpoint: Endpoint,
    { auth, caCerts }: Caller,
    policy: RetryPolicy,
    allowAnonymous = true,
  ): Registry {
    return new Registry({
      allowAnonymous,
      endpoint,
      http: this.http,
      tls: this.#tls(endpoint, caCerts),
      policy,
      limiter: (name) => this.#limiter(name),
      find: async ({ repository, signal, onWarning }, onSkipped) => {
        if (auth !== undefined) return { auth, source: "the options" };
        const name = { registry: endpoint.registry, repository };
        const store = await this.#credentialStore();
        return await store?.find(name, { onSkipped, signal, onWarning });
      },
    });
  }

  /** Returns the store of credentials: by default, the files of docker and podman, and helpers. */
  async #credentialStore(): Promise<CredentialStore | undefined> {
    const { credentials } = this.#options;
    if (credentials !== undefined) return credentials === "none" ? undefined : credentials;
    const { CredentialFiles } = await import("../credentials/credential_files.ts");
    return this.#files ??= new CredentialFiles({ helpers: this.#helpers });
  }

  #limiter(name: string): HostLimiter {
    return this.#limiters.getOrInsertComputed(name, () => {
      return new HostLimiter(this.#options.maxConnections ?? MAX_CONNECTIONS, this.clock);
    });
  }
}
