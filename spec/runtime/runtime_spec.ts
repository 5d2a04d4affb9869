import type { IdMapping, LinuxSpec } from "./runtime_linux.ts";
import type { Process } from "./runtime_process.ts";

/**
 * Version of the runtime specification in new configurations. Runtimes ignore unknown members, but
 * crun before 1.9 rejects later versions.
 */
export const RUNTIME_SPEC_VERSION = "1.0.2";

/**
 * Configuration for a runtime such as runc or crun: the `config.json` of a bundle, for Linux.
 *
 * See {@link https://github.com/opencontainers/runtime-spec/blob/v1.3.0/config.md | config.md}.
 */
export interface RuntimeSpec {
  /** Version of the runtime specification. */
  readonly ociVersion: string;
  /** The root file system. */
  readonly root?: Root;
  /** Mounts, in their order. */
  readonly mounts?: readonly Mount[];
  /** The program. */
  readonly process?: Process;
  /** Host name; needs a UTS namespace. */
  readonly hostname?: string;
  /** NIS domain name; needs a UTS namespace. */
  readonly domainname?: string;
  /** Hooks. */
  readonly hooks?: Hooks;
  /** Annotations. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Linux-specific configuration. */
  readonly linux?: LinuxSpec;
}

/** The root file system of a container. */
export interface Root {
  /** Path of the directory, absolute or relative to the bundle. */
  readonly path: string;
  /** Whether it is read-only. */
  readonly readonly?: boolean;
}

/** A mount inside a container. */
export interface Mount {
  /** Absolute mount point. */
  readonly destination: string;
  /** Type of file system, such as `tmpfs`; `bind` is customary for bind mounts. */
  readonly type?: string;
  /** Source: a device, a name, or a path on the host. */
  readonly source?: string;
  /** Options as for mount(8), such as `ro` and `rbind`. */
  readonly options?: readonly string[];
  /** User ID mappings of the source. */
  readonly uidMappings?: readonly IdMapping[];
  /** Group ID mappings of the source. */
  readonly gidMappings?: readonly IdMapping[];
}

/** Programs that the runtime runs during the life cycle of a container. */
export interface Hooks {
  /** Run after the namespaces have been created; deprecated in favor of the next two. */
  readonly prestart?: readonly Hook[];
  /** Run after the namespaces have been created, in the runtime's namespaces. */
  readonly createRuntime?: readonly Hook[];
  /** Run before the root is changed, in the container's namespaces. */
  readonly createContainer?: readonly Hook[];
  /** Run before the program starts, in the container's namespaces. */
  readonly startContainer?: readonly Hook[];
  /** Run after the program has started. */
  readonly poststart?: readonly Hook[];
  /** Run after the container has been deleted. */
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
  /** Timeout in seconds. */
  readonly timeout?: number;
}
