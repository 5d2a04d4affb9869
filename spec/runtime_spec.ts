import type { IdMapping, LinuxSpec } from "./runtime_linux.ts";
import type { Process } from "./runtime_process.ts";

/**
 * The version of the runtime specification that new configurations declare. Runtimes pass over what
 * they do not know, but crun before 1.9 refuses a configuration that declares a later version.
 */
export const RUNTIME_SPEC_VERSION = "1.0.2";

/**
 * What a runtime such as runc or crun is to run: the `config.json` of a bundle, for Linux.
 *
 * See {@link https://github.com/opencontainers/runtime-spec/blob/v1.2.0/config.md | config.md}.
 */
export interface RuntimeSpec {
  /** Version of the runtime specification. */
  readonly ociVersion: string;
  /** The root file system. */
  readonly root?: Root;
  /** What is mounted into it, in this order. */
  readonly mounts?: readonly Mount[];
  /** The program. */
  readonly process?: Process;
  /** Host name; needs a UTS namespace. */
  readonly hostname?: string;
  /** NIS domain name; needs a UTS namespace. */
  readonly domainname?: string;
  /** Programs that the runtime runs around the container's. */
  readonly hooks?: Hooks;
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** What Linux alone knows. */
  readonly linux?: LinuxSpec;
}

/** The root file system of a container. */
export interface Root {
  /** Its directory, absolute or relative to the bundle. */
  readonly path: string;
  /** Whether it cannot be written to. */
  readonly readonly?: boolean;
}

/** A mount inside a container. */
export interface Mount {
  /** Where it is mounted, absolute. */
  readonly destination: string;
  /** Type of file system, such as `tmpfs`; `bind` is customary for bind mounts. */
  readonly type?: string;
  /** What is mounted: a device, a name, or a path on the host. */
  readonly source?: string;
  /** Options as for mount(8), such as `ro` and `rbind`. */
  readonly options?: readonly string[];
  /** User ids of the source and what they are in the container. */
  readonly uidMappings?: readonly IdMapping[];
  /** Group ids of the source and what they are in the container. */
  readonly gidMappings?: readonly IdMapping[];
}

/** Programs that the runtime runs on the host or in the container as a container lives. */
export interface Hooks {
  /** After the namespaces have been made; superseded by the two that follow. */
  readonly prestart?: readonly Hook[];
  /** After the namespaces have been made, in those of the runtime. */
  readonly createRuntime?: readonly Hook[];
  /** Before the root is changed, in the namespaces of the container. */
  readonly createContainer?: readonly Hook[];
  /** Before the program starts, in the namespaces of the container. */
  readonly startContainer?: readonly Hook[];
  /** After the program has started. */
  readonly poststart?: readonly Hook[];
  /** After the container has been deleted. */
  readonly poststop?: readonly Hook[];
}

/** A program that the runtime runs. */
export interface Hook {
  /** Absolute path of the program. */
  readonly path: string;
  /** Its arguments, its own name first. */
  readonly args?: readonly string[];
  /** Its environment, each `NAME=VALUE`. */
  readonly env?: readonly string[];
  /** Seconds after which it is ended. */
  readonly timeout?: number;
}
