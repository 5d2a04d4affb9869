import type { CommandModule, CommandTable } from "./frame/program.ts";

/** Every command, in the order in which help lists them. */
export const COMMANDS: CommandTable = new Map([
  ["pull", {
    summary: "pull images into the store, verified",
    load: () => load(new URL("./commands/registry/pull.ts", import.meta.url)),
  }],
  ["push", {
    summary: "push images from the store to a registry",
    load: () => load(new URL("./commands/registry/push.ts", import.meta.url)),
  }],
  ["copy", {
    summary: "copy images between registries, layouts and archives",
    load: () => load(new URL("./commands/registry/copy.ts", import.meta.url)),
  }],
  ["images", {
    summary: "list the images in the store",
    load: () => load(new URL("./commands/images/images.ts", import.meta.url)),
  }],
  ["inspect", {
    summary: "show an image's manifest, config, layers and platforms",
    load: () => load(new URL("./commands/images/inspect.ts", import.meta.url)),
  }],
  ["digest", {
    summary: "print the digest of a reference in its registry",
    load: () => load(new URL("./commands/registry/digest.ts", import.meta.url)),
  }],
  ["tags", {
    summary: "list the tags of a repository",
    load: () => load(new URL("./commands/registry/tags.ts", import.meta.url)),
  }],
  ["tag", {
    summary: "add a tag to an image in a registry",
    load: () => load(new URL("./commands/registry/tag.ts", import.meta.url)),
  }],
  ["delete", {
    summary: "delete a tag or a manifest in a registry",
    load: () => load(new URL("./commands/registry/delete.ts", import.meta.url)),
  }],
  ["catalog", {
    summary: "list the repositories of a registry",
    load: () => load(new URL("./commands/registry/catalog.ts", import.meta.url)),
  }],
  ["unpack", {
    summary: "unpack an image into a directory",
    load: () => load(new URL("./commands/files/unpack.ts", import.meta.url)),
  }],
  ["ls", {
    summary: "list the files of an image",
    load: () => load(new URL("./commands/files/ls.ts", import.meta.url)),
  }],
  ["cat", {
    summary: "print a file of an image",
    load: () => load(new URL("./commands/files/cat.ts", import.meta.url)),
  }],
  ["export", {
    summary: "write the file system of an image as a tar archive",
    load: () => load(new URL("./commands/files/export.ts", import.meta.url)),
  }],
  ["bundle", {
    summary: "create an OCI runtime bundle",
    load: () => load(new URL("./commands/containers/bundle.ts", import.meta.url)),
  }],
  ["unbundle", {
    summary: "unmount and remove a bundle",
    load: () => load(new URL("./commands/containers/unbundle.ts", import.meta.url)),
  }],
  ["run", {
    summary: "run a command in a container",
    load: () => load(new URL("./commands/containers/run.ts", import.meta.url)),
  }],
  ["save", {
    summary: "save images to an archive",
    load: () => load(new URL("./commands/images/save.ts", import.meta.url)),
  }],
  ["load", {
    summary: "load images from an archive into the store",
    load: () => load(new URL("./commands/images/load.ts", import.meta.url)),
  }],
  ["rm", {
    summary: "remove references from the store",
    load: () => load(new URL("./commands/images/rm.ts", import.meta.url)),
  }],
  ["prune", {
    summary: "remove unused data from the store",
    load: () => load(new URL("./commands/images/prune.ts", import.meta.url)),
  }],
  ["fsck", {
    summary: "verify and repair the store",
    load: () => load(new URL("./commands/images/fsck.ts", import.meta.url)),
  }],
  ["serve", {
    summary: "serve the store as a registry",
    load: () => load(new URL("./commands/registry/serve.ts", import.meta.url)),
  }],
  ["artifact", {
    summary: "push and pull files as an OCI artifact",
    load: () => load(new URL("./commands/registry/artifact.ts", import.meta.url)),
  }],
  ["login", {
    summary: "store the credential for a registry",
    load: () => load(new URL("./commands/registry/login.ts", import.meta.url)),
  }],
  ["logout", {
    summary: "erase the credential for a registry",
    load: () => load(new URL("./commands/registry/logout.ts", import.meta.url)),
  }],
  ["doctor", {
    summary: "check this machine for problems",
    load: () => load(new URL("./commands/host/doctor.ts", import.meta.url)),
  }],
  ["permissions", {
    summary: "print the minimum Deno permissions for a command",
    load: () => load(new URL("./commands/host/permissions.ts", import.meta.url)),
  }],
  ["demo", {
    summary: "show a pull from a built-in registry, step by step",
    load: () => load(new URL("./commands/host/demo.ts", import.meta.url)),
  }],
  ["completions", {
    summary: "print a shell completion script",
    load: () => load(new URL("./commands/host/completions.ts", import.meta.url)),
  }],
  ["version", {
    summary: "print the versions of oci and Deno",
    load: () => load(new URL("./commands/host/version.ts", import.meta.url)),
  }],
]);

/**
 * Loads the module of a command. Its specifier is computed, because Deno reads and checks all
 * modules behind a literal one at each start.
 */
async function load(module: URL): Promise<CommandModule> {
  return await import(module.href);
}
