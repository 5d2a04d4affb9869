import type { ReadRegistriesConf } from "../../registry/configuration/registries_files.ts";
import type { ServeAccess } from "../access/address.ts";
import type { ContainerOptions } from "../containers/container_options.ts";
import type { RegistryOptions } from "../frame/options.ts";

/** Options and arguments of a command that affect its permissions. */
export interface PermissionOptions
  extends
    RegistryOptions,
    ServeAccess,
    Partial<Pick<ContainerOptions, "bundler" | "env" | "uidMap" | "gidMap">> {
  readonly store?: string | undefined;
  readonly format?: string | undefined;
  readonly get?: true | undefined;
  readonly prune?: true | undefined;
  readonly repair?: true | undefined;
  readonly runtime?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly unpack?: true | undefined;
  /** File or directory that the command writes. */
  readonly output?: string | undefined;
  /** Target of `copy` and `push`, if it is not among the references. */
  readonly target?: string | undefined;
  /** Files among the arguments. */
  readonly files?: readonly string[] | undefined;
  /** The `registries.conf` files that the command reads. */
  readonly registries?: ReadRegistriesConf | undefined;
  /** Directory of the modules of a checkout, which loading a command reads. */
  readonly modules?: string | undefined;
}
