import { assertEquals } from "@std/assert";
import { buildImage } from "../_support/image.ts";
import "../_support/native_backend.ts";
import { peerTest, runPeer, writeLayout } from "../_support/peers.ts";
import {
  device,
  dir,
  fifo,
  file,
  hardlink,
  noise,
  opaque,
  symlink,
  tar,
  whiteout,
} from "../_support/tar.ts";
import { makeTempDir } from "../_support/temp.ts";
import { assertLayersAsUmoci, BACKENDS, readUmociTree } from "./_umoci_tree.ts";

/** Layers over layers, with every kind of entry; `special` adds what needs system calls. */
function mixedLayers(special: boolean): readonly Uint8Array[] {
  const capability = new Uint8Array([1, 0, 0, 2, 0, 32, ...new Array(14).fill(0)]);
  return [
    tar(
      dir("./", { mtime: 10 }),
      dir("bin", { mtime: 11 }),
      file("bin/bash", noise(70_000), { mode: 0o755, mtime: 12 }),
      symlink("bin/sh", "bash", { mtime: 13 }),
      file("bin/su", "su", { mode: 0o4755, gid: 5 }),
      hardlink("bin/su.real", "bin/su"),
      dir("etc", { mode: 0o750, uid: 7, mtime: "20.5" }),
      file("etc/shadow", "root", { mode: 0, gid: 42 }),
      dir("tmp", { mode: 0o1777, mtime: 30 }),
      dir("var", { mtime: 40 }),
      dir("var/mail", { mode: 0o2775, gid: 8, mtime: 41 }),
      dir("usr", { mtime: 50 }),
      dir("usr/lib", { mtime: 51 }),
      dir("usr/lib/old", { mtime: 52 }),
      file("usr/lib/old/a", "a"),
      symlink("lib", "usr/lib", { uid: 3 }),
      dir("dev", { mtime: 60 }),
      device("dev/null", "character", 1, 3, { mode: 0o666 }),
      device("dev/sda", "block", 8, 0, { gid: 6 }),
      fifo("dev/initctl", { mode: 0o600 }),
      ...special
        ? [
          file("bin/ping", "ping", { mode: 0o755, xattrs: { "security.capability": capability } }),
          file("time", "x", { mtime: "1700000000.123456789" }),
          dir("attr", { xattrs: { "user.a": "1", "trusted.b": "2" } }),
        ]
        : [],
    ),
    tar(file("etc/hosts", "127.0.0.1"), file("usr/lib/new", "n"), whiteout("bin/su.real")),
    tar(
      file("bin/sh", "a file now", { mode: 0o755 }),
      file("lib/through", "a link"),
      dir("usr/lib/old", { mode: 0o711, mtime: 70 }),
      opaque("usr/lib/old"),
      file("usr/lib/old/b", "b"),
      hardlink("etc/hosts.link", "etc/hosts"),
      ...special ? [dir("attr", { xattrs: { "user.c": "3" } })] : [],
    ),
    tar(
      whiteout("etc/hosts"),
      symlink("tmp", "var/tmp"),
      dir("bin/bash"),
      file("bin/bash/in", "x"),
    ),
    tar(),
    tar(file("var/mail/root", "mail"), dir("deep"), dir("deep/er"), file("deep/er/f", "x")),
  ];
}

for (const { backend } of BACKENDS) {
  peerTest({
    name: `applyLayers() leaves what umoci leaves of mixed layers, ${backend} backend`,
    needs: ["umoci"],
    root: true,
  }, async () => {
    await using temp = await makeTempDir({ large: true });
    const [layout, bundle] = [temp.join("layout"), temp.join("bundle")];
    await writeLayout(layout, { mixed: buildImage({ layers: mixedLayers(backend === "native") }) });
    await runPeer("umoci", ["unpack", "--image", `${layout}:mixed`, bundle]);

    const entries = await assertLayersAsUmoci(layout, "mixed", readUmociTree(bundle), backend);

    assertEquals(entries > 20, true);
  });
}
