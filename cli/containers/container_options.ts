import { withEnv } from "../../spec/environment.ts";
import { withMounts, withReadOnlyRoot } from "../../spec/filesystem_options.ts";
import { withHostname, withHostNetwork } from "../../spec/namespace_options.ts";
import { withCwd } from "../../spec/process_options.ts";
import { withCPULimit, withMemoryLimit } from "../../spec/resource_options.ts";
import { withRootless } from "../../spec/rootless_option.ts";
import type { Mount } from "../../spec/runtime_spec.ts";
import type { SpecOption } from "../../spec/spec_option.ts";
import { withUser } from "../../spec/user_options.ts";
import { isRootlessNeeded, readRootlessMaps } from "../../store/runtime/rootless_maps.ts";
import type { Command } from "../frame/command.ts";
import { UsageError } from "../frame/errors.ts";
import { parseMount } from "./_mount_option.ts";
import type { Session } from "../frame/session.ts";

/** Options that say what a container is like, of `oci bundle` and `oci run`. */
export interface ContainerOptions {
  readonly bundler: "auto" | "overlay" | "uncompressed";
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
  readonly network: "host" | "none";
  readonly readOnly?: true | undefined;
  readonly readWrite?: true | undefined;
  readonly containerUser?: string | undefined;
  /** Variables; those without a value are passed on. */
  readonly env?: readonly (readonly [name: string, value?: string])[] | undefined;
  readonly cwd?: string | undefined;
  readonly rootless?: true | undefined;
  readonly hostname?: string | undefined;
  readonly mount?: readonly Mount[] | undefined;
}

/** Adds the options that say what a container is like. */
export function addContainerOptions(command: Command): Command {
  return command
    .option("--bundler <how>", "auto, overlay or uncompressed", {
      choices: ["auto", "overlay", "uncompressed"],
      default: "auto",
    })
    .option("--cpu <quantity>", "processors to use at most, such as 500m or 1.5", {
      parse: checkedBy(withCPULimit),
    })
    .option("--memory <quantity>", "memory to use at most, such as 512Mi", {
      parse: checkedBy(checkMemory),
    })
    .option("--network <how>", "host, or none for a network of its own without interfaces", {
      choices: ["host", "none"],
      default: "none",
    })
    .option("--read-only", "the image's files cannot be changed", { conflict: "--read-write" })
    .option(
      "--read-write",
      "the image's files can be changed, in this container alone; the default",
    )
    .option(
      "--user <user[:group]>",
      "who runs the program, names or numbers; default: whom the image names",
      { key: "containerUser", parse: checkedBy(checkUser) },
    )
    .option(
      "--env <name=value>",
      "set a variable; a name alone passes on the value that it has here (repeatable)",
      { repeatable: true, parse: parseVariable },
    )
    .option("--cwd <dir>", "working directory in the container", { parse: checkedBy(withCwd) })
    .option("--hostname <name>", "name of the host in the container", {
      parse: checkedBy(withHostname),
    })
    .option(
      "--mount <mount>",
      "mount SOURCE:TARGET[:ro], or type=tmpfs,target=/tmp,tmpfs-size=1m (repeatable)",
      { repeatable: true, parse: parseMount },
    )
    .option("--rootless", "for an ordinary user, in a user namespace; the default for one");
}

/** What the options say, as changes to a configuration. */
export async function containerSpecOptions(session: Session): Promise<SpecOption[]> {
  const options = session.options<ContainerOptions>();
  const { cpu, memory, network, readOnly, containerUser, cwd, hostname } = options;
  const { env = [], mount = [] } = options;
  const isRootless = options.rootless ?? isRootlessNeeded();
  return [
    ...network === "host" ? [withHostNetwork({ files: await nameFiles() })] : [],
    ...cpu === undefined ? [] : [withCPULimit(cpu)],
    ...memory === undefined ? [] : [withMemoryLimit(memory)],
    ...readOnly ? [withReadOnlyRoot()] : [],
    ...containerUser === undefined ? [] : [withUser(containerUser)],
    withEnv(Object.fromEntries(env.flatMap(([name, value = Deno.env.get(name)]) => {
      return value === undefined ? [] : [[name, value]];
    }))),
    ...cwd === undefined ? [] : [withCwd(cwd)],
    ...hostname === undefined ? [] : [withHostname(hostname)],
    withMounts(await checkSources(mount)),
    ...isRootless ? [withRootless(await readRootlessMaps())] : [],
  ];
}

/** The files that say how names resolve, as far as this machine has them. */
async function nameFiles(): Promise<readonly string[]> {
  const files = ["/etc/hosts", "/etc/resolv.conf"];
  const there = await Promise.all(files.map(exists));
  return files.filter((_, i) => there[i]);
}

async function checkSources(mounts: readonly Mount[]): Promise<readonly Mount[]> {
  for (const { type, source = "" } of mounts) {
    if (type !== "bind" || await exists(source)) continue;
    throw new UsageError(`there is no "${source}" to mount; make it, or mount something else`);
  }
  return mounts;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** A parser that keeps the text, and refuses what the library would refuse. */
function checkedBy(check: (text: string) => unknown): (text: string) => string {
  return (text) => {
    try {
      check(text);
      return text;
    } catch (error) {
      const { message } = error as Error;
      throw new SyntaxError(message.replace(/^Cannot /, "cannot "), { cause: error });
    }
  };
}

/** Nobody stands for root in images; a variable that is not set must not make root of its user. */
function checkUser(text: string): void {
  if (text === ":") throw new SyntaxError("it must be USER or USER:GROUP");
}

/** In Kubernetes `512m` is half a byte, and so it is here; who writes it means what docker does. */
function checkMemory(text: string): void {
  withMemoryLimit(text);
  if (!/[num]$/.test(text)) return;
  throw new SyntaxError(
    `${text} is a part of a byte, as "m" stands for thousandths: write Mi or M`,
  );
}

/** The name of a variable, and its value if it is not to be passed on. */
function parseVariable(text: string): readonly [name: string, value?: string] {
  const at = text.indexOf("=");
  if (at === 0) throw new SyntaxError("it must be NAME=VALUE");
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
