import { faultyRegistry } from "../../tests/_support/faulty_registry.ts";
import { runPeer } from "../../tests/_support/peers.ts";
import type { Act } from "../act.ts";
import { imageContent, IMAGES, repository } from "../images.ts";
import { mountReason } from "../mount_namespace.ts";
import { Broken, namesIn, type Scene } from "../scene.ts";
import { checkHealth, checkStore, checkTree } from "../store_checks.ts";
import { checkSource } from "../stored.ts";

/** A command, and a check of its result. */
interface DiskCase {
  readonly args: (name: string, out: string) => readonly string[];
  readonly check?: (result: DiskResult) => Promise<void>;
}

interface DiskResult {
  readonly scene: Scene;
  readonly store: string;
  readonly out: string;
  readonly number: number;
}

const CASES: readonly DiskCase[] = [
  { args: (name) => ["pull", name] },
  { args: (name) => ["pull", "--unpack", name] },
  {
    args: (name, out) => ["unpack", name, out],
    check: ({ out, number }) => checkTree(out, number),
  },
  {
    args: (name, out) => ["bundle", "--bundler", "uncompressed", name, out],
    check: checkBundle,
  },
  {
    args: (name, out) => ["bundle", "--bundler", "overlay", name, out],
    check: checkBundle,
  },
  {
    args: (name, out) => ["save", "-o", out, name],
    check: ({ scene, out, number }) => checkSource(scene, `oci-archive:${out}`, number),
  },
  { args: (name, out) => ["export", "-o", out, name] },
];

async function checkBundle({ scene, store, out, number }: DiskResult): Promise<void> {
  await checkTree(`${out}/rootfs`, number);
  await scene.oci(["unbundle", "--store", store, out]);
}

/**
 * Runs a command on a file system that is too small or has too few inodes. It fails with a clear
 * error and leaves no partial files, and succeeds once there is room.
 */
export const DISK_ACT: Act = { name: "small disks", weight: 3, reason: mountReason(), play };

async function play(scene: Scene): Promise<void> {
  const { random } = scene;
  await using registry = faultyRegistry(imageContent());
  const number = random.below(IMAGES.length);
  const name = `${registry.host}/${repository(number)}:1`;
  const limit = random.chance(0.5)
    ? `size=${random.between(8, 14_000)}k`
    : `size=64m,nr_inodes=${random.between(2, 700)}`;
  const disk = scene.path("disk");
  await Deno.mkdir(disk);
  await runPeer("mount", ["-t", "tmpfs", "-o", `mode=0755,${limit}`, "tmpfs", disk]);
  // The result is on the small file system as well, or next to it.
  const parent = random.chance(0.5) ? disk : scene.path();
  const out = `${parent}/out`;
  const { args, check } = random.pick(CASES);
  const command = [...args(name, out), "--json", "--store", `${disk}/store`];
  const { code } = await scene.oci(command, { codes: [0, 1] });
  scene.count(code === 0 ? "enough room" : limit.includes("inodes") ? "no inodes" : "no space");
  const left = (await namesIn(parent)).filter((name) => name.includes("out"));
  if (code !== 0 && left.length > 0) {
    throw new Broken(`"oci ${command.join(" ")}" failed with ${limit}, and left ${left}`);
  }
  await runPeer("mount", ["-o", "remount,size=256m,nr_inodes=100000", disk]);
  await checkHealth(`${disk}/store`);
  if (code !== 0) await scene.oci(command);
  await check?.({ scene, store: `${disk}/store`, out, number });
  await checkStore(`${disk}/store`);
  await runPeer("umount", [disk]);
}
