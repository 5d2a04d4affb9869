/** Which pulls a mirror is used for: all, those by digest, or those by tag. */
export type MirrorUse = "all" | "digest-only" | "tag-only";

/** A mirror of a {@linkcode RegistryRule}. */
export interface RegistryMirror {
  /** Host and optional path that replace the prefix of the rule. */
  readonly location: string;
  /** Whether plain HTTP is allowed if the mirror does not use TLS. */
  readonly isInsecure: boolean;
  /** Which pulls it is used for. */
  readonly use: MirrorUse;
}

/** A `[[registry]]` table: settings for the images whose names begin with a prefix. */
export interface RegistryRule {
  /**
   * `HOST[:PORT][/PATH][:TAG|@DIGEST]`, `*.HOST` for all subdomains, `ADDRESS/BITS` for the
   * addresses of a network, or `*` for all registries.
   */
  readonly prefix: string;
  /** Host and optional path that replace the prefix; `undefined` if nothing does. */
  readonly location: string | undefined;
  /** Whether plain HTTP is allowed if the registry does not use TLS. */
  readonly isInsecure: boolean;
  /** Whether the images must not be accessed. */
  readonly isBlocked: boolean;
  /** Mirrors, in the order in which they are tried. */
  readonly mirrors: readonly RegistryMirror[];
  /**
   * Hosts of a `hosts.toml` or `daemon.json` file, in the order in which they are tried. They
   * replace `location` and `mirrors`.
   */
  readonly hosts?: readonly RegistryHost[] | undefined;
  /** File that contains the rule, for messages. */
  readonly file: string;
}

/** A permitted use of a {@linkcode RegistryHost}: reading content, resolving tags, or uploads. */
export type HostCapability = "pull" | "resolve" | "push";

/** A host of a {@linkcode RegistryRule}, from a file of containerd or docker. */
export interface RegistryHost {
  /** URL of its API, such as `https://mirror.example/v2`; `undefined` for the registry itself. */
  readonly url: string | undefined;
  /** Whether it is a mirror. */
  readonly isMirror: boolean;
  /** Uses that the file permits. */
  readonly capabilities: readonly HostCapability[];
  /** Whether plain HTTP is allowed if it does not use TLS. */
  readonly isInsecure: boolean;
  /** Whether its certificate is not verified. */
  readonly skipVerify: boolean;
  /** Whether requests name the image's registry in the parameter `ns`, unless it is the host. */
  readonly sendsNamespace: boolean;
  /** Files with authorities to trust in addition to those of Deno, in PEM. */
  readonly caFiles: readonly string[];
  /** Files with client certificates and their keys, in PEM; the first pair is used. */
  readonly clientFiles: readonly { readonly cert: string; readonly key: string }[];
  /** Headers of all requests to it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Maximum time to connect, in milliseconds. */
  readonly dialTimeoutMs: number | undefined;
}

/** Content of `registries.conf` files, and rules of other files. */
export interface RegistriesConf {
  /** Rules, each with a different prefix. */
  readonly rules: readonly RegistryRule[];
  /** Full names by short name; an empty name removes the alias of an earlier file. */
  readonly aliases: ReadonlyMap<string, string>;
  /** Credential helpers for all registries, if a file lists any. */
  readonly credentialHelpers?: DefaultCredentialHelpers | undefined;
}

/** The `credential-helpers` of a `registries.conf` file. */
export interface DefaultCredentialHelpers {
  /**
   * Names without `docker-credential-`, in order of precedence. `containers-auth.json` stands for
   * the credential files; an empty list means these alone.
   */
  readonly names: readonly string[];
  /** The file that lists them. */
  readonly file: string;
}
