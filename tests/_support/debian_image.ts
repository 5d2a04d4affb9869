import { exists } from "@std/fs";
import { join } from "@std/path";
import { tmpdir } from "node:os";
import { digestHex, digestOf, OCI_INDEX } from "../../spec/mod.ts";
import { removeTree } from "../../store/host/remove_tree.ts";
import { buildImage, buildIndex, type Built } from "./image.ts";
import { runPeer } from "./peers.ts";
import { dir, file, tar, whiteout } from "./tar.ts";
import { makeTempDir } from "./temp.ts";

/** The root file system of Debian, or of this machine, as an image in an OCI layout. */
export interface DebianImage {
  /** The layout, with the tags `single` (amd64) and `index` (amd64, arm64). */
  readonly layout: string;
  /** Another layout, with zstd layers and the tag `single`. */
  readonly zstdLayout: string;
  /** The uncompressed root file system, the image's first layer. */
  readonly tar: string;
}

/** The programs that {@linkcode debianImage} needs, in addition to root. */
export const DEBIAN_IMAGE_NEEDS: readonly string[] = ["mmdebstrap", "skopeo"];

const RECIPE = "5: minbase, a layer with a whiteout, amd64 and arm64, gzip and zstd";

/**
 * Builds the image from the mirror that the machine has configured, or finds the image of an
 * earlier run under `OCI_TEST_CACHE` or in the system's directory for temporary files.
 */
export async function debianImage(): Promise<DebianImage> {
  const cache = Deno.env.get("OCI_TEST_CACHE") ?? join(tmpdir(), "oci-test-cache");
  const release = await readRelease();
  const key = digestHex(digestOf(new TextEncoder().encode(`${RECIPE} ${release.suite}`)));
  const place = join(cache, `debian-${key.slice(0, 16)}`);
  await Deno.mkdir(cache, { recursive: true });
  using lock = await Deno.open(`${place}.lock`, { create: true, write: true });
  await lock.lock(true);
  if (!await exists(place, { isDirectory: true })) {
    const made = await Deno.makeTempDir({ dir: cache, prefix: "debian-" });
    try {
      await build(made, release);
      await Deno.rename(made, place);
    } catch (error) {
      await removeTree(made);
      throw error;
    }
  }
  return {
    layout: join(place, "layout"),
    zstdLayout: join(place, "layout-zstd"),
    tar: join(place, "rootfs.tar"),
  };
}

/** The release of the machine, and the mirror of its packages. */
interface Release {
  readonly suite: string;
  readonly sources: readonly string[];
}

async function readRelease(): Promise<Release> {
  const text = await Deno.readTextFile("/etc/os-release");
  const field = (name: string) => new RegExp(`^${name}="?([^"\n]+)`, "m").exec(text)?.[1] ?? "";
  const sources = `/etc/apt/sources.list.d/${field("ID")}.sources`;
  return {
    suite: field("VERSION_CODENAME"),
    sources: [await exists(sources, { isFile: true }) ? sources : "/etc/apt/sources.list"],
  };
}

async function build(place: string, { suite, sources }: Release): Promise<void> {
  const archive = join(place, "rootfs.tar");
  await runPeer(
    "mmdebstrap",
    ["--variant=minbase", "--mode=root", suite, archive, ...sources],
    {
      env: { PATH: `${Deno.env.get("PATH")}:/usr/sbin:/sbin`, HOME: place },
      // It downloads a hundred packages.
      timeoutMs: 900_000,
    },
  );
  const layers = [
    await Deno.readFile(archive),
    tar(dir("etc"), file("etc/motd", "layer two\n"), whiteout("etc/issue.net")),
  ];
  const config = { Cmd: ["/bin/bash"], Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] };
  const amd64 = buildImage({ layers, config });
  // The layers are the same: nothing here runs them on another machine.
  const same = amd64.layers.map(({ tar, bytes }) => ({ tar, blob: bytes }));
  const arm64 = buildImage({ layers: same, config, platform: "linux/arm64/v8" });
  const layout = join(place, "layout");
  await writeLayout(layout, { single: amd64, index: buildIndex([amd64, arm64]) });
  // In the same layout, skopeo would reuse the existing layers instead of compressing them.
  await runPeer("skopeo", [
    ...["copy", "--quiet", "--insecure-policy", "--dest-compress-format=zstd"],
    ...[`oci:${layout}:single`, `oci:${layout}-zstd:single`],
  ], { env: { HOME: place } });
}

/** Writes images as an OCI image layout. */
export async function writeLayout(
  path: string,
  images: Readonly<Record<string, Built>>,
): Promise<void> {
  await Deno.mkdir(join(path, "blobs", "sha256"), { recursive: true });
  for (const { blobs } of Object.values(images)) {
    for (const [digest, { bytes }] of blobs) {
      await Deno.writeFile(join(path, "blobs", ...digest.split(":")), bytes);
    }
  }
  const manifests = Object.entries(images).map(([tag, { descriptor }]) => ({
    ...descriptor,
    annotations: { "org.opencontainers.image.ref.name": tag },
  }));
  const index = { schemaVersion: 2, mediaType: OCI_INDEX, manifests };
  await Deno.writeTextFile(join(path, "index.json"), JSON.stringify(index));
  await Deno.writeTextFile(join(path, "oci-layout"), '{"imageLayoutVersion":"1.0.0"}');
}

/** The forms in which {@linkcode pushVariants} pushes an image, by repository. */
export const VARIANTS = ["debian/oci", "debian/docker", "debian/zstd", "debian/index"] as const;

/**
 * Pushes the Debian image with skopeo, as `latest` of each of {@linkcode VARIANTS}: as OCI, as
 * Docker's manifest of schema 2, with zstd layers, and as an index of two platforms.
 */
export async function pushVariants(
  host: string,
  { layout, zstdLayout }: DebianImage,
): Promise<void> {
  // skopeo remembers blobs with the same content, and would reuse another form of a layer.
  const forms: Record<typeof VARIANTS[number], readonly [source: string, ...flags: string[]]> = {
    "debian/oci": [`${layout}:single`, "--preserve-digests"],
    "debian/docker": [`${layout}:single`, "--format=v2s2"],
    "debian/zstd": [`${zstdLayout}:single`, "--preserve-digests"],
    "debian/index": [`${layout}:index`, "--all", "--preserve-digests"],
  };
  for (const [repository, [source, ...flags]] of Object.entries(forms)) {
    await using home = await makeTempDir();
    await runPeer("skopeo", [
      ...["copy", "--quiet", "--insecure-policy", "--dest-tls-verify=false"],
      ...flags,
      `oci:${source}`,
      `docker://${host}/${repository}:latest`,
    ], { env: { HOME: home.path } });
  }
}
