import { formatReference } from "../../../registry/reference.ts";
import { withCommand, withTerminal } from "../../../spec/options/process_options.ts";
import { prepareBundling } from "../../containers/bundling.ts";
import {
  addContainerOptions,
  type ContainerOptions,
  containerSpecOptions,
  parseName,
} from "../../containers/container_options.ts";
import type { Command } from "../../frame/command.ts";
import { UsageError } from "../../frame/errors.ts";
import { addLimitOption } from "../../frame/limits.ts";
import { addRegistryOptions, VERIFYING } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

export function define(command: Command): Command {
  const described = command
    .argument("<ref>", "image to bundle")
    .argument("<dir>", "directory for the bundle, empty or new")
    .description(
      "Creates an OCI runtime bundle, DIR/config.json and DIR/rootfs. Pulls the image according " +
        "to --policy. Mounts the layers as an overlay where the system supports it; otherwise " +
        'extracts them. Remove the bundle with "oci unbundle DIR".',
    );
  const container = addContainerOptions(described)
    .option("--arg <word>", "command argument, replacing the image's command (repeatable)", {
      repeatable: true,
      mayBeEmpty: true,
    })
    .option("--name <name>", "no effect: the runtime names the container", {
      parse: parseName,
    })
    .option("--rm", 'no effect: "oci unbundle" removes the bundle')
    .hint("--runtime --timeout --stop-timeout", "Choose it when you run the bundle");
  const settings = { loginFlag: "--registry-user", features: VERIFYING };
  return addRegistryOptions(addLimitOption(container), settings).notes(`
Prints the path of the bundle. Mounts end with a reboot: unbundle it and bundle again then. With
--uid-map, the root of the container must be able to enter the directories above DIR; what --mount
mounts from the host keeps its owners.

Examples:
  oci bundle alpine:3.20 ./box && crun run --bundle ./box box; oci unbundle ./box
  oci bundle --cpu 500m --memory 512Mi --read-only ghcr.io/owner/app:1 /run/app
  oci bundle --user 1000 --env DEBUG=1 --arg sh --arg -c --arg 'id; env' alpine:3.20 ./box
  oci bundle --bundler uncompressed --rootless alpine:3.20 ./box
  oci bundle --uid-map 0:100000:65536 alpine:3.20 /run/box`);
}

export async function run(session: Session): Promise<void> {
  const [, directory = ""] = session.operands;
  const { arg = [], tty } = session.options<ContainerOptions & { arg?: readonly string[] }>();
  if (directory === "") throw new UsageError("the directory name is empty", "Specify a directory");
  const options = await containerSpecOptions(session);
  using bundling = await prepareBundling(session, {
    directoryIn: () => directory,
    isTemporary: false,
  });
  const { reference, image, bundler } = bundling;
  if (arg.length > 0) options.push(withCommand(arg));
  if (tty) options.push(withTerminal());
  const { path, kind } = await bundler.bundleIn(directory, image, ...options);
  const document = {
    path,
    reference: formatReference(reference),
    digest: image.digest,
    bundler: kind,
  };
  await session.print(document, [path]);
}
