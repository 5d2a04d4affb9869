import { assertEquals, assertStringIncludes } from "@std/assert";
import { existsSync } from "@std/fs";
import { mountTest } from "../../../_support/mounting.ts";
import { assertGranted } from "../../../_support/oci_permissions.ts";
import { runOci } from "../../../_support/process.ts";
import { posixTest } from "../../../_support/skip.ts";
import { unmountTree } from "../../../_support/unmount_tree.ts";
import { makePlace } from "./_place.ts";

/** Writes a runtime that mounts a file system in the bundle and ends with exit code 7. */
async function mountingRuntime(path: string): Promise<void> {
  const script = `#!/bin/sh
case "$*" in
*" run "*)
  while [ "$1" != --bundle ]; do shift; done
  mkdir "$2/extra" && mount -t tmpfs tmpfs "$2/extra" && exit 7 ;;
esac
`;
  await Deno.writeTextFile(path, script, { mode: 0o755 });
}

posixTest("oci run needs no more than the permissions printed for it", async () => {
  await using place = await makePlace();
  const { env } = place;
  const runtime = place.directory.join("runtime");
  await Deno.writeTextFile(runtime, '#!/bin/sh\ncase "$*" in *" run "*) echo ran ;; esac\n', {
    mode: 0o755,
  });
  const args = ["run", "-q", "--bundler=uncompressed", "--runtime", runtime, place.image];

  const [ran] = await assertGranted(runOci, [args], { env });

  assertEquals(ran?.stdout, "ran\n");
});

mountTest("oci run exits with the container's code if its bundle cannot be removed", async () => {
  await using place = await makePlace();
  const runtime = place.directory.join("runtime");
  await mountingRuntime(runtime);
  const bundle = place.directory.join("store", "containers", "box");
  using _mounts = { [Symbol.dispose]: () => unmountTree(bundle) };

  // The lock of the bundle ends with the process.
  const { code, stderr } = await runOci(
    ["run", "-q", "--bundler=uncompressed", "--runtime", runtime, "--name=box", place.image],
    { env: place.env },
  );

  assertEquals(code, 7, stderr);
  assertStringIncludes(stderr, `"${bundle}/extra" is still mounted`);
  assertStringIncludes(stderr, `remove it with "oci unbundle ${bundle}"`);
  unmountTree(bundle);
  assertEquals((await place.oci("unbundle", bundle)).code, 0);
  assertEquals(existsSync(bundle), false);
});
