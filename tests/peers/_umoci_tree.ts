import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { applyLayers, type LayerSource, type TreeBackend } from "../../layer/mod.ts";
import type { Digest, Index, Manifest } from "../../spec/mod.ts";
import { runOci } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { readTree, type TreeEntryState } from "../_support/tree.ts";

/** Backends, and the permissions that select them. */
export const BACKENDS: readonly {
  readonly backend: TreeBackend;
  readonly permissions: readonly string[];
}[] = [
  { backend: "native", permissions: ["-A"] },
  {
    backend: "pure",
    permissions: [
      "--allow-read",
      "--allow-write",
      "--allow-net",
      "--allow-env",
      "--allow-sys",
      "--allow-run=mknod",
    ],
  },
];

/** The tree that umoci unpacks. */
export type UmociTree = ReadonlyMap<string, TreeEntryState>;

/** The root file system of a bundle of umoci. */
export function readUmociTree(bundle: string): UmociTree {
  return readTree(join(bundle, "rootfs"));
}

/** Compares every entry of a tree with that of umoci, and returns the number of entries. */
export function assertSameTree(
  wanted: UmociTree,
  root: string,
  backend: TreeBackend = "native",
): number {
  // Without the native backend, it keeps milliseconds and no attributes.
  const wholeMilliseconds = backend === "pure";
  const actual = readTree(root, { wholeMilliseconds });
  const differences = [...new Set([...wanted.keys(), ...actual.keys()])]
    .map((path) => ({ path, umoci: wanted.get(path), oci: actual.get(path) }))
    .map(({ umoci, ...rest }) => {
      return { ...rest, umoci: umoci && wholeMilliseconds ? inMilliseconds(umoci) : umoci };
    })
    .filter(({ umoci, oci }) => JSON.stringify(umoci) !== JSON.stringify(oci));
  assertEquals(differences, []);
  return actual.size;
}

function inMilliseconds(state: TreeEntryState): TreeEntryState {
  return { ...state, mtime: `${state.mtime.slice(0, -6)}000000` };
}

/** The part of the config that describes the layers. */
interface RawConfig {
  readonly rootfs: { readonly "diff_ids": readonly Digest[] };
}

/** The layers of an image in a layout. */
async function readLayers(layout: string, tag: string): Promise<readonly LayerSource[]> {
  const blob = (digest: Digest) => join(layout, "blobs", ...digest.split(":"));
  const read = async <T>(path: string) => JSON.parse(await Deno.readTextFile(path)) as T;
  const index = await read<Index>(join(layout, "index.json"));
  const found = index.manifests.find((item) =>
    item.annotations?.["org.opencontainers.image.ref.name"] === tag
  );
  if (found === undefined) throw new Error(`"${layout}" has no "${tag}"`);
  const manifest = await read<Manifest>(blob(found.digest));
  const config = await read<RawConfig>(blob(manifest.config.digest));
  return manifest.layers.map((descriptor, i) => ({
    descriptor,
    diffId: config.rootfs.diff_ids[i] as Digest,
    compressed: async () => (await Deno.open(blob(descriptor.digest))).readable,
  }));
}

/** Unpacks the layers of an image, and compares every entry with that of umoci. */
export async function assertLayersAsUmoci(
  layout: string,
  tag: string,
  wanted: UmociTree,
  backend: TreeBackend,
): Promise<number> {
  await using temp = await makeTempDir({ large: true });
  await applyLayers(await readLayers(layout, tag), temp.join("ours"), { backend });
  return assertSameTree(wanted, temp.join("ours"), backend);
}

/** Unpacks an image of a layout with the command line, and compares every entry with umoci's. */
export async function assertUnpackAsUmoci(
  layout: string,
  tag: string,
  wanted: UmociTree,
  { backend, permissions }: typeof BACKENDS[number],
): Promise<void> {
  // Below /dev, where tmpfs is, Deno requires every permission.
  await using temp = await makeTempDir();

  const { code, stdout, stderr } = await runOci(
    ["unpack", "--json", "--platform=linux/amd64", `oci:${layout}:${tag}`, temp.join("root")],
    { permissions, env: { OCI_STORE: temp.join("store") } },
  );

  assertEquals(code, 0, stderr);
  assertEquals(JSON.parse(stdout).skipped, []);
  assertSameTree(wanted, temp.join("root"), backend);
}
