import type { ReadRegistriesConf } from "../../registry/configuration/registries_files.ts";
import type { ImagePullPolicy } from "../../registry/image_client.ts";

/** A command of the command line, for {@linkcode permissionFlags}. */
export type PermissionCommand =
  | "artifact"
  | "bundle"
  | "cat"
  | "catalog"
  | "completions"
  | "copy"
  | "delete"
  | "demo"
  | "digest"
  | "doctor"
  | "export"
  | "fsck"
  | "images"
  | "inspect"
  | "load"
  | "login"
  | "logout"
  | "ls"
  | "permissions"
  | "pull"
  | "prune"
  | "push"
  | "rm"
  | "run"
  | "save"
  | "serve"
  | "tag"
  | "tags"
  | "unbundle"
  | "unpack"
  | "version";

/**
 * Options for {@linkcode permissionFlags}: the options of the command that affect its permissions.
 */
export interface PermissionOptions {
  /**
   * Directory of the store.
   *
   * @default The result of {@linkcode storeDirectory}.
   */
  readonly store?: string | undefined;
  /** Pull policy; `"Never"` needs no access to the registry. */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  /**
   * Whether `pull` extracts the layers as well.
   *
   * @default {false}
   */
  readonly unpack?: boolean | undefined;
  /**
   * Whether `rm` prunes the store as well.
   *
   * @default {false}
   */
  readonly prune?: boolean | undefined;
  /** File that `export` writes, or target directory of `unpack` and `bundle`. */
  readonly output?: string | undefined;
  /**
   * Address on which `serve` listens, as `HOST:PORT`.
   *
   * @default {"127.0.0.1:5000"}
   */
  readonly listen?: string | undefined;
  /**
   * Whether `serve` refuses pushes.
   *
   * @default {false}
   */
  readonly readOnly?: boolean | undefined;
  /**
   * Whether `save` writes a layout directory rather than a file.
   *
   * @default {false}
   */
  readonly isLayout?: boolean | undefined;
  /** Registry that `serve` proxies, as written in references. */
  readonly proxy?: string | undefined;
  /** Target of `copy` and `push`, if it is not among the references. */
  readonly target?: string | undefined;
  /** URLs of mirrors, by the registry that they mirror. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * The `registries.conf` files that the command reads.
   *
   * @default None.
   */
  readonly registries?: ReadRegistriesConf | undefined;
  /** Files named on the command line: certificates, keys, passwords. */
  readonly files?: readonly string[] | undefined;
  /** Names of environment variables that are passed to a container unchanged. */
  readonly variables?: readonly string[] | undefined;
  /**
   * Kind of bundler; `"uncompressed"` mounts nothing.
   *
   * @default {"auto"}
   */
  readonly bundler?: "auto" | "overlay" | "uncompressed" | undefined;
  /**
   * Runtime that `run` uses.
   *
   * @default Any runtime that `run` looks for.
   */
  readonly runtime?: string | undefined;
  /**
   * Files that may hold credentials.
   *
   * @default The files of docker and podman, as set in the environment.
   */
  readonly credentialPaths?: readonly string[] | undefined;
  /**
   * Directories with certificates for registries.
   *
   * @default The directories of docker and podman, as set in the environment.
   */
  readonly certificatePaths?: readonly string[] | undefined;
  /** File that `login` and `logout` change instead of those of docker and podman. */
  readonly authfile?: string | undefined;
  /**
   * Whether `login` only looks for a credential.
   *
   * @default {false}
   */
  readonly get?: boolean | undefined;
  /**
   * Directory of the modules of the command line, which loading a command reads.
   *
   * @default None, as for modules that come from a registry.
   */
  readonly modules?: string | undefined;
}
