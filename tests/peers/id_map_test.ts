import { assertEquals } from "@std/assert";
import { idMapReason } from "../_support/mounting.ts";
import { peerTest, programPath, runPeer } from "../_support/peers.ts";
import { run } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { makeRunPlace, PROGRAMS } from "./_oci_run.ts";

const MAPS = ["--uid-map", "0:100000:65536", "--gid-map", "0:200000:65536"];
const NEEDS = ["ldd", "setpriv", "unshare", ...PROGRAMS];

/** Prints owners as the container sees them, and tries to change files of the host. */
const SCRIPT = "id -u; id -g; cat /proc/self/uid_map; stat -c '%u:%g %n' / /bin/sh /dev/pts; " +
  "echo new > /tmp/new; stat -c '%u:%g' /tmp/new; " +
  "echo x 2>/dev/null >> /host/of-root || echo refused; stat -c '%u:%g' /host/of-root";

for (const runtime of ["runc", "crun"]) {
  for (const bundler of ["overlay", "uncompressed"]) {
    peerTest({
      name: `the root of a container with mapped IDs is no root outside: ${bundler}, ${runtime}`,
      needs: [runtime, ...NEEDS],
      root: true,
      reason: bundler === "overlay" ? await idMapReason() : undefined,
    }, async () => {
      await using place = await makeRunPlace(0);
      await using host = await makeTempDir({ large: true });
      await Deno.chmod(host.path, 0o755);
      await Deno.writeTextFile(host.join("of-root"), "untouched");

      const { code, stdout, stderr } = await place.oci([
        ...["run", "--quiet", "--runtime", runtime, "--bundler", bundler, ...MAPS],
        ...["-v", `${host.path}:/host`, place.root, "--", "sh", "-c", SCRIPT],
      ]);

      assertEquals(code, 0, stderr);
      const [uid, gid, map, ...rest] = stdout.trim().split("\n");
      assertEquals([uid, gid, map?.trim().split(/\s+/)], ["0", "0", ["0", "100000", "65536"]]);
      assertEquals(rest, [
        ...["0:0 /", "0:0 /bin/sh", "0:0 /dev/pts", "0:0"],
        ...["refused", "65534:65534"],
      ]);
      assertEquals(await Deno.readTextFile(host.join("of-root")), "untouched");
      assertEquals(await place.left(), []);
    });
  }
}

peerTest({
  name: "a bundle with mapped IDs runs where podman runs its files with the same maps",
  needs: ["runc", "podman", ...NEEDS],
  root: true,
}, async () => {
  await using place = await makeRunPlace(0);
  await using directory = await makeTempDir({ large: true });
  await Deno.chmod(directory.path, 0o755);
  const box = directory.join("box");
  const words = ["sh", "-c", "id -u; id -g; stat -c '%u:%g' / /etc/passwd; cat /proc/self/gid_map"];
  const args = words.flatMap((word) => ["--arg", word]);
  const made = await place.oci([
    ...["bundle", "--quiet", "--bundler", "uncompressed", ...MAPS, ...args, place.root, box],
  ]);
  assertEquals(made.code, 0, made.stderr);

  const state = directory.join("state");
  const ours = await runPeer("runc", ["--root", state, "run", "--bundle", box, "mapped"]);
  const maps = ["--uidmap", "0:100000:65536", "--gidmap", "0:200000:65536"];
  const podman = await run(programPath("podman") ?? "podman", [
    ...["--root", directory.join("podman"), "--runroot", directory.join("run")],
    ...["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"],
    ...["run", "--rm", "--runtime", "runc", "--network", "none", ...maps],
    ...["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"],
    ...["--rootfs", `${box}/rootfs`, ...words],
  ], { env: { HOME: directory.path } });
  const removed = await place.oci(["unbundle", box]);

  assertEquals(podman.stdout, ours.stdout, podman.stderr);
  assertEquals(ours.stdout.split("\n").slice(0, 4), ["0", "0", "0:0", "0:0"]);
  assertEquals(removed.code, 0, removed.stderr);
});
