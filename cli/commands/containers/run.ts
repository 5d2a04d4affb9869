import { keepNativeBackend } from "../../../layer/linux/native_libc.ts";
import { abortable } from "../../../registry/tasks/abortable.ts";
import { withCommand, withTerminal } from "../../../spec/options/process_options.ts";
import type { SpecOption } from "../../../spec/runtime/spec_option.ts";
import { type Bundle, bundlePath } from "../../../store/bundle.ts";
import { describeSystemError } from "../../../store/host/system_error.ts";
import { findRuntimes, missingRuntime } from "../../../store/runtime/find_runtime.ts";
import { isRootlessNeeded } from "../../../store/runtime/rootless_maps.ts";
import { runBundle } from "../../../store/runtime/runtime.ts";
import { prepareBundling } from "../../containers/bundling.ts";
import {
  addContainerOptions,
  type ContainerOptions,
  containerSpecOptions,
  parseName,
} from "../../containers/container_options.ts";
import type { Command } from "../../frame/command.ts";
import { addLimitOption } from "../../frame/limits.ts";
import { addRegistryOptions, parseSeconds, VERIFYING } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

interface RunOptions extends ContainerOptions {
  readonly name?: string | undefined;
  readonly runtime?: string | undefined;
  readonly timeout?: number | undefined;
}

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to run")
    .argument("[arg...]", "command to run instead of the image's, and its arguments", {
      endsOptions: true,
    })
    .usage("[options] <ref> [arg...]")
    .description(
      "Runs a command in a container and removes the container when the command ends. Pulls the " +
        "image according to --policy. Forwards stdin, stdout, stderr and signals, and exits with " +
        "the exit code of the container.",
    );
  const container = addContainerOptions(described)
    .option("--runtime <name>", "crun, runc, youki or a path (default: the first one installed)", {
      examples: ["crun", "runc", "youki"],
    })
    .option("--timeout <seconds>", "kill the container after this time", { parse: parseSeconds })
    .option("--name <name>", "name of the container (default: a random one)", { parse: parseName })
    .option("--rm", "remove the container at the end (always on)")
    .hint("--arg", "Write the command after the image")
    .hint("--stop-timeout", 'Use "--timeout SECONDS" to limit the whole run');
  const settings = { loginFlag: "--registry-user", features: VERIFYING };
  return addRegistryOptions(addLimitOption(container), settings).notes(`
The command begins with the first word after the image that is not one of these options. Write "--"
before a command that begins with one of them. The options have the short forms of docker and podman,
and --volume, --workdir, --cpus and --net are accepted too.

Exits with the container's exit code, or 128 plus the number of the signal that ended it; 127 if the
command is not found, 126 if it cannot be executed. The third Ctrl-C within two seconds kills a
program that ignores the others. A closed pipe does not end the first program of a container, as the
kernel spares it SIGPIPE: let a shell in the container end endless output, as in sh -c 'yes | head'.

Needs neither root nor a daemon: for an ordinary user, the container runs in a user namespace. As
root, it does so with --uid-map; what --mount mounts from the host keeps its owners, so the container
can write only where the mapped users may.

Examples:
  oci run alpine:3.20 cat /etc/os-release
  oci run -it alpine:3.20 sh
  oci run --cpu 1 --memory 256Mi --timeout 60 ghcr.io/owner/app:1
  oci run --uid-map 0:100000:65536 --store /var/lib/oci alpine:3.20 id
  tar -c . | oci run --network host alpine:3.20 tar -t
  oci run --runtime runc -v "$PWD:/src:ro" -w /src alpine:3.20 ls -l`);
}

export async function run(session: Session): Promise<number> {
  const [reference = "", ...command] = session.operands;
  // Errors must not repeat the command, which may contain secrets.
  session.workOn(reference);
  const { runtime, timeout, tty, name } = session.options<RunOptions>();
  // Keep it loaded until the bundle is removed.
  using _native = keepNativeBackend();
  const options = await containerSpecOptions(session);
  if (command.length > 0) options.push(withCommand(command));
  if (tty) options.push(...terminal(session));
  const id = name ?? `run-${crypto.randomUUID()}`;
  // Report it before the image is pulled and extracted.
  if (findRuntimes(runtime).next().done) throw missingRuntime(runtime);
  await warnOfLimits(session);
  const bundle = await makeBundle(session, id, options);
  await using _removal = { [Symbol.asyncDispose]: () => removeBundle(session, bundle) };
  const stderr = Deno.stderr.isTerminal() ? await terminalStderr(session, bundle) : undefined;
  // The container will write to the same stderr.
  await abortable(session.notices.flush() ?? Promise.resolve(), session.signal);
  const { code, timedOut } = await runBundle(bundle, {
    id,
    forwardSignals: true,
    signal: session.signal,
    onWarning: session.warn,
    onStart: () => {
      session.interruption.leave();
      // Load the code that removes the bundle while the container runs.
      import("../../../store/bundles/bundle_removal.ts").catch(() => {
        // The removal reports the error.
      });
    },
    runtime,
    stderr,
    timeoutMs: timeout,
  });
  if (timedOut) {
    session.warn(`the container was killed after its timeout of ${(timeout ?? 0) / 1000} s`);
  }
  return code;
}

/** Warns of limits that a runtime such as crun ignores if the user may not create control groups. */
async function warnOfLimits(session: Session): Promise<void> {
  const { cpu, memory } = session.options<RunOptions>();
  if ((cpu === undefined && memory === undefined) || !isRootlessNeeded()) return;
  const { mayCreateCgroups } = await import("../../../store/runtime/cgroup_hierarchy.ts");
  if (mayCreateCgroups() !== false) return;
  session.warn("the limits may have no effect: this user may not create control groups");
}

async function terminalStderr(
  session: Session,
  { path }: Bundle,
): Promise<WritableStream<Uint8Array> | undefined> {
  const { safeStderr } = await import("../../containers/terminal_safety.ts");
  return await safeStderr(path, session.notices);
}

async function makeBundle(
  session: Session,
  id: string,
  options: readonly SpecOption[],
): Promise<Bundle> {
  const { name } = session.options<RunOptions>();
  const directoryIn = name === undefined ? undefined : (store: string) => bundlePath(store, name);
  using bundling = await prepareBundling(session, { directoryIn, isTemporary: true });
  return await bundling.bundler.bundle(bundling.image, id, ...options);
}

/** Removes a bundle, or warns that it remains. Neither its exit code nor its error may be lost. */
async function removeBundle(session: Session, bundle: Bundle): Promise<void> {
  try {
    await bundle.cleanup();
  } catch (error) {
    const { path } = bundle;
    session.warn(
      `cannot remove "${path}": ${describeSystemError(error)}; ` +
        `remove it with "oci unbundle ${path}"`,
    );
  }
}

/** Returns a terminal with the size of the current one. */
function terminal(session: Session): readonly SpecOption[] {
  if (!Deno.stdin.isTerminal()) {
    session.warn("the container has no terminal: stdin is not a terminal");
    return [];
  }
  const { columns, rows } = Deno.consoleSize();
  return [withTerminal({ width: columns, height: rows })];
}
