import type { CommandTable } from "./frame/program.ts";

/** Path and summary of every command's module, in the order of the help. */
const MODULES: readonly (readonly [path: string, summary: string])[] = [
  ["registry/pull", "pull images into the store, verified"],
  ["registry/push", "push images from the store to a registry"],
  ["registry/copy", "copy images between registries, layouts and archives"],
  ["images/images", "list the images in the store"],
  ["images/inspect", "show an image's manifest, config, layers and platforms"],
  ["images/sbom", "print the SBOM of an image"],
  ["images/provenance", "print how an image was built"],
  ["registry/digest", "print the digest of a reference in its registry"],
  ["registry/tags", "list the tags of a repository"],
  ["registry/tag", "add a tag to an image in a registry"],
  ["registry/delete", "delete a tag or a manifest in a registry"],
  ["registry/catalog", "list the repositories of a registry"],
  ["files/unpack", "unpack an image into a directory"],
  ["files/ls", "list the files of an image"],
  ["files/cat", "print a file of an image"],
  ["files/export", "write the file system of an image as a tar archive"],
  ["containers/bundle", "create an OCI runtime bundle"],
  ["containers/unbundle", "unmount and remove a bundle"],
  ["containers/run", "run a command in a container"],
  ["images/save", "save images to an archive"],
  ["images/load", "load images from an archive into the store"],
  ["images/rm", "remove references from the store"],
  ["images/prune", "remove unused data from the store"],
  ["images/fsck", "verify and repair the store"],
  ["registry/serve", "serve the store as a registry"],
  ["registry/artifact", "push and pull files as an OCI artifact"],
  ["registry/login", "store the credential for a registry"],
  ["registry/logout", "erase the credential for a registry"],
  ["host/doctor", "check this machine for problems"],
  ["host/permissions", "print the minimum Deno permissions for a command"],
  ["host/demo", "show a pull from a built-in registry, step by step"],
  ["host/completions", "print a shell completion script"],
  ["host/version", "print the versions of oci and Deno"],
];

/** All commands by name, which is the file name of the module. */
export const COMMANDS: CommandTable = new Map(
  MODULES.map(([path, summary]) => [path.slice(path.indexOf("/") + 1), {
    summary,
    // The specifier is computed, because Deno would read all modules behind a literal one at each
    // start.
    load: () => import(new URL(`./commands/${path}.ts`, import.meta.url).href),
  }]),
);
