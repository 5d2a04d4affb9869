import type { ReadRegistriesConf } from "../../registry/configuration/registries_files.ts";
import type { ImagePullPolicy } from "../../registry/image_client.ts";

/** Options of a command that affect its permissions. */
export interface PermissionOptions {
  /** Directory of the store (default: that of the environment). */
  readonly store?: string | undefined;
  /** Pull policy; `"Never"` needs no access to the registry. */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  /** Whether `pull` also extracts the layers. */
  readonly unpack?: boolean | undefined;
  /** Whether `rm` also prunes the store. */
  readonly prune?: boolean | undefined;
  /** File that `export` writes, or target directory of `unpack` and `bundle`. */
  readonly output?: string | undefined;
  /** Address on which `serve` listens, as `HOST:PORT`. */
  readonly listen?: string | undefined;
  /** Whether `serve` rejects pushes. */
  readonly readOnly?: boolean | undefined;
  /** Whether `save` writes a layout directory rather than a file. */
  readonly isLayout?: boolean | undefined;
  /** Registry that `serve` proxies, in the form of references. */
  readonly proxy?: string | undefined;
  /** Target of `copy` and `push`, if it is not among the references. */
  readonly target?: string | undefined;
  /** URLs of mirrors by registry. */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /** The `registries.conf` files that the command reads. */
  readonly registries?: ReadRegistriesConf | undefined;
  /** Files in the command line: certificates, keys, passwords. */
  readonly files?: readonly string[] | undefined;
  /** Names of environment variables that a container inherits. */
  readonly variables?: readonly string[] | undefined;
  /** Kind of bundler; `"uncompressed"` mounts nothing. */
  readonly bundler?: "auto" | "overlay" | "uncompressed" | undefined;
  /** Runtime of `run` (default: any of those it looks for). */
  readonly runtime?: string | undefined;
  /** Files that may contain credentials (default: those of docker and podman). */
  readonly credentialPaths?: readonly string[] | undefined;
  /** Directories with certificates for registries (default: those of docker and podman). */
  readonly certificatePaths?: readonly string[] | undefined;
  /** File that `login` and `logout` change instead of those of docker and podman. */
  readonly authfile?: string | undefined;
  /** Whether `login` only looks for a credential. */
  readonly get?: boolean | undefined;
  /** Directory of the modules of a checkout, which loading a command reads. */
  readonly modules?: string | undefined;
}
