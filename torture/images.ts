/**
 * The images of the campaign, and the registry that has them.
 *
 * @module
 */
import { demoProgram } from "../cli/demo/_demo_elf.ts";
import { hostPlatform } from "../registry/mod.ts";
import { formatPlatform } from "../spec/mod.ts";
import { buildImage, buildIndex, type Built, MemoryContent } from "../tests/_support/image.ts";
import { dir, file, hardlink, noise, symlink, tar, whiteout } from "../tests/_support/tar.ts";

/** Text that the program of the images writes. */
export const GREETING = "hello from torture\n";

const PLATFORM = formatPlatform(hostPlatform());
const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";

const HELLO = file("bin/hello", demoProgram(ARCHITECTURE, GREETING), { mode: 0o755 });

/** A directory of small files, two of which are the same file. */
function manyFiles(count: number): readonly Uint8Array[] {
  const files = Array.from({ length: count }, (_, i) => file(`d/f${i}`, noise(i * 37, i + 1)));
  return [dir("d"), ...files, hardlink("d/link", "d/f3")];
}

/** Layers that all images have, the base first. */
const BASE = [
  tar(
    dir("bin"),
    HELLO,
    dir("etc"),
    file("etc/passwd", "root:x:0:0::/root:/bin/sh\n"),
    symlink("usr", "."),
    ...manyFiles(150),
  ),
  tar(
    dir("data"),
    file("data/large", noise(1_500_000, 7)),
    whiteout("d/f5"),
    file("etc/motd", "motd"),
  ),
];

/** The base of images for races, which are small. */
const SMALL_BASE = [tar(dir("bin"), HELLO, ...manyFiles(12))];

function image(number: number): Built {
  const isSmall = number >= LARGER;
  const built = buildImage({
    layers: [
      ...isSmall ? SMALL_BASE : BASE,
      tar(
        dir("own"),
        file("own/number", `${number}`),
        file("own/noise", noise(isSmall ? 5000 : 400_000, number)),
      ),
      { tar: tar(whiteout("d/f2"), file("d/f9", `of ${number}`)), compression: "zstd" },
    ],
    config: { Cmd: ["/bin/hello"] },
    platform: PLATFORM,
  });
  const other = buildImage({
    layers: [tar(file("other", `${number}`))],
    platform: PLATFORM === "linux/s390x" ? "linux/amd64" : "linux/s390x",
  });
  return number % 2 === 0 ? built : buildIndex([built, other]);
}

/** Number of images of some megabytes; the others are small. */
const LARGER = 4;

/** Images that share their base; every other one is an index of two platforms. */
export const IMAGES: readonly Built[] = Array.from({ length: 2 * LARGER }, (_, i) => image(i));

/** Numbers of the small images. */
export const SMALL: readonly number[] = [4, 5, 6, 7];

/** An image with one layer that is large enough to be downloaded in ranges. */
export const LARGE: Built = buildImage({
  layers: [{ tar: tar(file("noise", noise(9_000_000, 99))), compression: "none" }],
  platform: PLATFORM,
});

/** Repository of an image: `app0`, `app1` … */
export function repository(number: number): string {
  return `app${number}`;
}

/** Content with all images, tagged `1`. */
export function imageContent(): MemoryContent {
  const content = new MemoryContent();
  IMAGES.forEach((built, number) => content.add(repository(number), "1", built));
  return content.add("large", "1", LARGE);
}
