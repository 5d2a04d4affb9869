import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { type IdRange, OwnershipError } from "../../../layer/mod.ts";
import { withVolumes } from "../../../store/bundles/volumes.ts";
import {
  BundleError,
  fsck,
  OverlayBundler,
  type OverlayMounter,
  prune,
  pruneLayers,
  UncompressedBundler,
} from "../../../store/mod.ts";
import { findKernelMounter } from "../../../store/overlay/find_mounter.ts";
import "../../_support/native_backend.ts";
import { dir, file, tar } from "../../_support/tar.ts";
import type { TestStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";
import { GIDS, makeOpenStore, mappedTest, MAPS, storeImage, UIDS } from "./_mapped_store.ts";

/** Returns the owners of entries, as `UID:GID`. */
function ownersOf(root: string, paths: readonly string[]): Record<string, string> {
  using tree = openFileTree(root);
  return Object.fromEntries(paths.map((path) => {
    const { uid, gid } = tree.status(path) ?? {};
    return [path, `${uid}:${gid}`];
  }));
}

function modeOf(path: string): number {
  return (Deno.lstatSync(path).mode ?? 0) & 0o7777;
}

const OWNERS: Readonly<Record<string, string>> = {
  "": "100003:200004",
  "etc": "100000:200000",
  "etc/passwd": "100000:200000",
  "bin/su": "100000:200000",
  "bin/link": "100000:200000",
  "home/app": "100000:200000",
  "home/app/file": "101000:200044",
  // Made for the working directory and the volumes.
  "work/here": "100000:200000",
  "data": "100000:200000",
};

for (
  const [kind, Bundler, options] of [
    ["overlay", OverlayBundler, {}],
    ["overlay on disk", OverlayBundler, { upper: { kind: "disk" } }],
    ["uncompressed", UncompressedBundler, {}],
  ] as const
) {
  mappedTest(`bundles have mapped owners and a user namespace: ${kind}`, async () => {
    await using test = await makeOpenStore();
    const image = await storeImage(test);

    await using bundle = await new Bundler(test.store, { ...MAPS, ...options })
      .bundle(image, "web");

    assertEquals(ownersOf(`${bundle.path}/rootfs`, Object.keys(OWNERS)), OWNERS);
    assertEquals(modeOf(`${bundle.path}/rootfs/bin/su`), 0o4755);
    assertEquals(modeOf(`${bundle.path}/rootfs`), 0o711);
    const { linux } = JSON.parse(await Deno.readTextFile(`${bundle.path}/config.json`));
    assertEquals(linux.uidMappings, [{ containerID: 0, hostID: 100_000, size: 2000 }]);
    assertEquals(linux.gidMappings, [{ containerID: 0, hostID: 200_000, size: 2000 }]);
    assertEquals(linux.namespaces[0], { type: "user" });
    // Only the container's root may pass, and it may not read the environment of the container.
    const { uid, gid } = await Deno.lstat(bundle.path);
    assertEquals([modeOf(bundle.path), uid, gid], [0o710, 0, 200_000]);
    assertEquals(modeOf(`${bundle.path}/config.json`), 0o600);
    assertEquals((await Deno.lstat(`${bundle.path}/hosts`)).uid, 100_000);
    await bundle.cleanup();
    assertEquals([test.mounts(), await test.list("containers")], [[], []]);
  });

  mappedTest(`copies of volumes have mapped owners: ${kind}`, async () => {
    await using test = await makeOpenStore();
    const image = await storeImage(test);

    await using bundle = await new Bundler(test.store, { ...MAPS, ...options })
      .bundle(image, "web", withVolumes(["/home"]));

    const { mounts } = JSON.parse(await Deno.readTextFile(`${bundle.path}/config.json`));
    const [{ source }] = mounts.filter(({ destination }: { destination: string }) =>
      destination === "/home"
    );
    assertEquals(ownersOf(source, ["", "app", "app/file"]), {
      "": "100000:200000",
      "app": "100000:200000",
      "app/file": "101000:200044",
    });
  });
}

mappedTest("bundles with different maps share layers, whose owners stay", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const other = [{ containerId: 0, hostId: 300_000, size: 2000 }];
  await using plain = await new OverlayBundler(test.store).bundle(image, "plain");
  const layers = await test.list("chains");
  await using first = await new OverlayBundler(test.store, MAPS).bundle(image, "first");
  await using second = await new OverlayBundler(test.store, { gidMap: other })
    .bundle(image, "second");

  const paths = ["home/app/file"];

  assertEquals(await test.list("chains"), layers);
  assertEquals(ownersOf(`${plain.path}/rootfs`, paths), { "home/app/file": "1000:44" });
  assertEquals(ownersOf(`${first.path}/rootfs`, paths), { "home/app/file": "101000:200044" });
  assertEquals(ownersOf(`${second.path}/rootfs`, paths), { "home/app/file": "301000:300044" });
  assertEquals(modeOf(`${test.path}/chains`), 0o700);
  // A file that is written in one is copied with its owner.
  await Deno.writeTextFile(`${first.path}/rootfs/home/app/file`, "changed");
  assertEquals(ownersOf(`${first.path}/rootfs`, paths), { "home/app/file": "101000:200044" });
  assertEquals(await Deno.readTextFile(`${second.path}/rootfs/home/app/file`), "x");
});

mappedTest("the kernel and the extraction map capabilities and ACLs alike", async () => {
  await using test = await makeOpenStore();
  const words = (...values: readonly number[]) => new Uint8Array(new Uint32Array(values).buffer);
  const [user, mask, other] = [[0x0007_0002, 12], [0x0007_0010, ~0], [0x0005_0020, ~0]] as const;
  const acl = words(2, 0x0007_0001, ~0, ...user, 0x0005_0004, ~0, ...mask, ...other);
  const capability = words(0x02000001, 0x2000, 0, 0, 0);
  const image = await storeBuilt(test.store, {
    layers: [tar(
      dir("", { xattrs: { "system.posix_acl_access": acl }, mode: 0o775 }),
      dir("data", { xattrs: { "system.posix_acl_default": acl } }),
      file("ping", "x", { xattrs: { "security.capability": capability }, mode: 0o755 }),
    )],
    config: { Cmd: ["/ping"] },
  });
  const attributesOf = async (bundler: OverlayBundler | UncompressedBundler) => {
    await using bundle = await bundler.bundle(image, crypto.randomUUID());
    using tree = openFileTree(`${bundle.path}/rootfs`);
    return ["", "data", "ping"].map((path) => {
      using entry = tree.open(path);
      return ["system.posix_acl_access", "system.posix_acl_default", "security.capability"]
        .map((name) => entry.getXattr(name));
    });
  };

  const mounted = await attributesOf(new OverlayBundler(test.store, MAPS));
  const extracted = await attributesOf(new UncompressedBundler(test.store, MAPS));

  assertEquals(mounted, extracted);
  assertEquals(mounted[2]?.[2], words(0x03000001, 0x2000, 0, 0, 0, 100_000));
  assertEquals(mounted[0]?.[0]?.length, acl.length);
});

mappedTest("prune and fsck keep the layers of a bundle with mapped owners", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const bundle = await new OverlayBundler(test.store, MAPS).bundle(image, "web");

  await pruneLayers(test.store, []);
  await prune(test.store);
  const { findings } = await fsck(test.store);

  assertEquals(findings, []);
  assertEquals(await Deno.readTextFile(`${bundle.path}/rootfs/home/app/file`), "x");
  await bundle.cleanup();
  await pruneLayers(test.store, []);
  assertEquals(await test.list("chains"), []);
});

mappedTest("OverlayBundler rejects an owner that no range contains, with its path", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const few = [{ containerId: 0, hostId: 100_000, size: 500 }];
  const bundler = new OverlayBundler(test.store, { uidMap: few, gidMap: GIDS });

  // The second time, the owners are known.
  for (const _ of [1, 2]) {
    const error = await assertRejects(() => bundler.bundle(image, "web"), BundleError);
    assertStringIncludes(error.message, 'the owner of "/home/app/file" is 1000:44');
    assertEquals([error.code, error.option], ["ownership", "uids"]);
  }
  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
  // A gap in the middle counts as well.
  const gap = [...few, { containerId: 1001, hostId: 110_000, size: 500 }];
  const other = new OverlayBundler(test.store, { uidMap: gap, gidMap: GIDS });
  await assertRejects(() => other.bundle(image, "web"), BundleError, "no range contains user 1000");
});

mappedTest("OverlayBundler rejects an ID in an attribute that no range contains", async () => {
  await using test = await makeOpenStore();
  const words = (...values: readonly number[]) => new Uint8Array(new Uint32Array(values).buffer);
  const acl = (group: number) =>
    words(
      ...[2, 0x0007_0001, ~0, 0x0005_0004, ~0, 0x0007_0008, group],
      ...[0x0007_0010, ~0, 0x0005_0020, ~0],
    );
  const image = await storeBuilt(test.store, {
    layers: [tar(
      dir("kept", { xattrs: { "system.posix_acl_default": acl(44) } }),
      dir("data", { xattrs: { "system.posix_acl_default": acl(2000) } }),
    )],
    config: { Cmd: ["/app"] },
  });
  const bundler = new OverlayBundler(test.store, MAPS);

  // The second time, the IDs are known.
  for (const _ of [1, 2]) {
    const error = await assertRejects(() => bundler.bundle(image, "web"), BundleError);
    assertStringIncludes(
      error.message,
      '"/data" name group 2000, and no range contains group 2000',
    );
    assertEquals([error.code, error.option], ["ownership", "gids"]);
  }
  const more = [...GIDS, { containerId: 2000, hostId: 300_000, size: 1 }];
  await using bundle = await new OverlayBundler(test.store, { uidMap: UIDS, gidMap: more })
    .bundle(image, "web");
  await Deno.writeTextFile(`${bundle.path}/rootfs/data/new`, "");
});

mappedTest("a mount with mapped owners is read-only, and is left out of the bundle", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const kernel = await kernelMounter(test);
  let during = "";
  const spy: OverlayMounter = {
    ...kernel,
    async mount(lowers, target, writable) {
      const table = await Deno.readTextFile("/proc/self/mountinfo");
      const lower = `${test.path}/containers/web/lowers`;
      const line = table.split("\n").find((line) => line.includes(`${lower}/mapped `));
      during = line === undefined ? during : `${modeOf(lower).toString(8)} ${line}`;
      await kernel.mount(lowers, target, writable);
    },
  };

  await using bundle = await new OverlayBundler(test.store, { ...MAPS, mounter: spy })
    .bundle(image, "web");

  assertEquals(during.slice(0, 4), "700 ");
  assertStringIncludes(during, "/lowers/mapped ro,");
  assertStringIncludes(during, "idmapped");
  assertEquals(test.mounts(), [`${bundle.path}/rootfs`]);
  const names = await Array.fromAsync(Deno.readDir(bundle.path), ({ name }) => name);
  assertEquals(names.includes("lowers"), false);
});

mappedTest("a failure to mount leaves no mount behind", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const kernel = await kernelMounter(test);
  const broken: OverlayMounter = {
    ...kernel,
    mount: (lowers, target, writable) =>
      target.endsWith("/view")
        ? kernel.mount(lowers, target, writable)
        : Promise.reject(new Error("broken")),
  };
  const bundler = new OverlayBundler(test.store, { ...MAPS, mounter: broken });

  await assertRejects(() => bundler.bundle(image, "web"), Error, "broken");

  assertEquals([test.mounts(), await test.list("containers")], [[], []]);
});

async function kernelMounter({ path }: TestStore): Promise<OverlayMounter> {
  const mounter = await findKernelMounter(path);
  if (typeof mounter === "string") throw new Error(mounter);
  return mounter;
}

mappedTest("slowChown extracts the layers once for each map where mounts cannot map", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const kernel = await kernelMounter(test);
  const mounter: OverlayMounter = {
    ...kernel,
    mount: (lowers, ...rest) =>
      lowers.some((path) => path.includes("/lowers/"))
        ? Promise.reject(new Error("the kernel is old"))
        : kernel.mount(lowers, ...rest),
  };
  const refused = new OverlayBundler(test.store, { ...MAPS, mounter });
  const error = await assertRejects(() => refused.bundle(image, "web"), BundleError);
  assertEquals([error.code, error.option], ["overlay", "slowChown"]);
  assertStringIncludes(error.message, "the kernel is old");
  assertEquals(await test.list("chains"), []);

  const bundler = new OverlayBundler(test.store, {
    ...MAPS,
    mounter,
    slowChown: true,
    upper: { kind: "disk" },
  });
  await using first = await bundler.bundle(image, "first");
  const extracted = await test.list("chains");
  await using second = await bundler.bundle(image, "second");

  for (const { path } of [first, second]) {
    assertEquals(ownersOf(`${path}/rootfs`, Object.keys(OWNERS)), OWNERS);
  }
  assertEquals(await test.list("chains"), extracted);
  const few = [{ containerId: 0, hostId: 100_000, size: 500 }];
  const other = new OverlayBundler(test.store, { uidMap: few, mounter, slowChown: true });
  await assertRejects(() => other.bundle(image, "other"), OwnershipError, "user 1000");
});

mappedTest("bundles with maps need directories that their root may enter", async () => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  await Deno.mkdir(test.directory.join("closed"), { mode: 0o700 });
  const bundler = new UncompressedBundler(test.store, MAPS);

  const place = test.directory.join("closed/deep/web");
  const error = await assertRejects(() => bundler.bundleIn(place, image), BundleError);

  assertStringIncludes(error.message, `user 100000 of the host, may not enter`);
  assertEquals(error.subject, test.directory.join("closed"));
  assertEquals(await Array.fromAsync(Deno.readDir(test.directory.join("closed"))), []);
  // Its group may pass.
  await Deno.chown(test.directory.join("closed"), 0, 200_000);
  await Deno.chmod(test.directory.join("closed"), 0o710);
  await using bundle = await bundler.bundleIn(place, image);
  assertEquals(bundle.path, place);
});

function manyRanges(count: number, hostId: number): readonly IdRange[] {
  return Array.from({ length: count }, (_, i) => ({ containerId: i, hostId: hostId + i, size: 1 }));
}

mappedTest.each([
  { name: "overlapping ranges", uidMap: [...UIDS, { containerId: 5, hostId: 1, size: 1 }] },
  { name: "no root", uidMap: [{ containerId: 1, hostId: 100_000, size: 5 }] },
  { name: "no root among the groups", gidMap: [{ containerId: 1, hostId: 1, size: 5 }] },
  { name: "too many IDs", uidMap: [{ containerId: 0, hostId: 1, size: 4_294_967_296 }] },
  { name: "no range", uidMap: [] },
  { name: "more ranges than the kernel", gidMap: manyRanges(341, 1) },
  { name: "more text than the kernel", uidMap: manyRanges(330, 1_000_000) },
  { name: "the ownership as well", uidMap: UIDS, ownership: "squash" as const },
])("bundlers reject $name before any work", async ({ name: _, ...options }) => {
  await using test = await makeOpenStore();
  const image = await storeImage(test);
  const settings = { gidMap: GIDS, ...options };

  for (const Bundler of [OverlayBundler, UncompressedBundler]) {
    const bundler = new Bundler(test.store, settings);
    await assertRejects(() => bundler.bundle(image, "web"), RangeError);
  }
  assertEquals([await test.list("chains"), await test.list("containers")], [[], []]);
});
