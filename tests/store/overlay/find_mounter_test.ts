import { assert, assertEquals, assertRejects } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { OwnershipMap } from "../../../layer/mod.ts";
import { idMapSupported, OverlayBundler, StoreFileError } from "../../../store/mod.ts";
import { findKernelMounter, findMappedMounter } from "../../../store/overlay/find_mounter.ts";
import "../../_support/native_backend.ts";
import { peerTest, programPath, runPeer } from "../../_support/peers.ts";
import { ROOT, run } from "../../_support/process.ts";
import { testUnless } from "../../_support/skip.ts";
import { runWithoutUmask } from "../../_support/umask.ts";
import { BASE, makeStore, overlayReason, type TestStore } from "../bundles/_bundling.ts";
import { storeBuilt } from "../images/_stored_image.ts";

const overlayTest = testUnless(await overlayReason());

/** Makes every further test of the store fail. */
async function refuseTests({ path }: TestStore): Promise<void> {
  await Deno.mkdir(`${path}/.overlay-trial.lock`);
}

overlayTest("findKernelMounter() keeps its result in the store", async () => {
  await using test = await makeStore();

  const tested = await findKernelMounter(test.path);
  await refuseTests(test);
  const recalled = await findKernelMounter(test.path);

  assert(typeof tested !== "string" && typeof recalled !== "string");
  assertEquals([recalled.namespace, recalled.upper], [tested.namespace, tested.upper]);
});

/** Maps IDs from 0 on, as many as given. */
function mapOf(size: number): OwnershipMap {
  const ranges = [{ containerId: 0, hostId: 100_000, size }];
  return { kind: "map", uids: ranges, gids: ranges };
}

const mappingTest = testUnless(await mappingReason());

async function mappingReason(): Promise<string | undefined> {
  await using test = await makeStore();
  const support = await idMapSupported(test.path);
  return support.supported ? undefined : "no mounts with mapped owners";
}

mappingTest("findMappedMounter() keeps its result for the same maps", async () => {
  await using test = await makeStore();
  const kernel = await findKernelMounter(test.path);
  assert(typeof kernel !== "string");

  await findMappedMounter(test.path, kernel, mapOf(2));
  await refuseTests(test);

  const recalled = await findMappedMounter(test.path, kernel, mapOf(2));
  assert(typeof recalled !== "string");
  await assertRejects(() => findMappedMounter(test.path, kernel, mapOf(3)));
  // The result also holds without maps.
  assert(typeof await findKernelMounter(test.path) !== "string");
});

overlayTest("findMappedMounter() leaves the result without maps if it fails", async () => {
  await using test = await makeStore();
  await findKernelMounter(test.path);
  const before = await Deno.readTextFile(`${test.path}/overlay.json`);
  const recalled = await findKernelMounter(test.path);
  assert(typeof recalled !== "string");

  const ranges = [{ containerId: 0, hostId: 2 ** 32 - 2, size: 2 ** 31 }];
  const reason = await findMappedMounter(test.path, recalled, {
    kind: "map",
    uids: ranges,
    gids: ranges,
  });

  assertEquals(typeof reason, "string");
  assertEquals(await Deno.readTextFile(`${test.path}/overlay.json`), before);
});

for (
  const [what, change] of [
    ["of another start of the machine", (text: string) => text.replace(/-[0-9a-f]{12}/, "-0")],
    ["of another way to mount", (text: string) => text.replace("namespace", "other")],
    ["that is damaged", (text: string) => text.slice(1)],
  ] as const
) {
  overlayTest(`findKernelMounter() replaces a result ${what}`, async () => {
    await using test = await makeStore();
    await findKernelMounter(test.path);
    const path = `${test.path}/overlay.json`;
    const text = await Deno.readTextFile(path);

    await Deno.writeTextFile(path, change(text));
    await findKernelMounter(test.path);

    assertEquals(await Deno.readTextFile(path), text);
  });
}

/** Runs a command in a new user namespace with the mappings of this one. */
const IN_NAMESPACE = `
  unshare -U -m sh -c 'until grep -q . /proc/self/gid_map; do sleep 0.05; done; exec "$@"' sh "$@" &
  until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.05; done
  cat /proc/self/uid_map > /proc/$!/uid_map
  cat /proc/self/gid_map > /proc/$!/gid_map
  wait $!
`;

/** Reason why this process cannot create user namespaces, for example in a chroot. */
async function namespaceReason(): Promise<string | undefined> {
  if (programPath("unshare") === undefined) return undefined;
  const { code } = await run("unshare", ["-U", "true"]);
  return code === 0 ? undefined : "no user namespaces";
}

interface Elsewhere {
  readonly where: string;
  readonly command: readonly string[];
  readonly reason?: string | undefined;
}

const ELSEWHERE: readonly Elsewhere[] = [
  {
    where: "with fewer capabilities",
    command: ["setpriv", "--bounding-set", "-mknod,-dac_override", "--inh-caps", "-mknod"],
  },
  {
    where: "in a read-only store",
    command: [
      ...["unshare", "-m", "sh", "-c"],
      'mount --bind "$STORE" "$STORE" && mount -o remount,bind,ro "$STORE" && exec "$@"',
      "sh",
    ],
  },
  {
    where: "in a user namespace with all IDs",
    command: ["sh", "-c", IN_NAMESPACE, "sh"],
    reason: await namespaceReason(),
  },
];

for (const { where, command: [program = "", ...args], reason } of ELSEWHERE) {
  peerTest({
    name: `findKernelMounter() finds the same as a test ${where}`,
    needs: ["setpriv", "unshare", "mount"],
    root: true,
    reason,
  }, async () => {
    await using test = await makeStore();
    await findKernelMounter(test.path);
    const script = fromFileUrl(new URL("_find_elsewhere.ts", import.meta.url));

    const { stdout } = await runPeer(program, [
      ...args,
      ...[Deno.execPath(), "run", "-A", "--no-check", `--config=${ROOT}/deno.json`, script],
      test.path,
    ], { inheritEnv: true, env: { STORE: test.path } });

    const { recalled, tested } = JSON.parse(stdout);
    assertEquals(recalled, tested);
  });
}

overlayTest("findKernelMounter() keeps no result of a store that was copied", async () => {
  await using test = await makeStore();
  await using copy = await makeStore();
  await findKernelMounter(test.path);
  await Deno.mkdir(copy.path);
  await Deno.copyFile(`${test.path}/overlay.json`, `${copy.path}/overlay.json`);
  await refuseTests(copy);

  await assertRejects(() => findKernelMounter(copy.path), StoreFileError);
});

overlayTest("findKernelMounter() forgets a mounter that does not work", async () => {
  await using test = await makeStore();
  await findKernelMounter(test.path);
  await refuseTests(test);
  const mounter = await findKernelMounter(test.path);
  assert(typeof mounter !== "string");
  const missing = `${test.path}/none`;

  await assertRejects(() => mounter.mount([missing], missing, { upper: missing, work: missing }));

  await assertRejects(() => findKernelMounter(test.path), StoreFileError);
});

overlayTest("OverlayBundler uses the result of an earlier process", async () => {
  await using test = await makeStore();
  const image = await storeBuilt(test.store, { layers: [BASE] });
  await findKernelMounter(test.path);
  await refuseTests(test);

  await using bundle = await new OverlayBundler(test.store).bundle(image, "x");

  assertEquals(bundle.kind, "overlay");
});

overlayTest("tryMounter() mounts where only the user can write, even without a umask", async () => {
  await using test = await makeStore();

  const stdout = await runWithoutUmask(
    `import { refuseNative, tryMounter } from "./store/overlay/_overlay_trial.ts";
    const [path] = Deno.args;
    if (await refuseNative(path) !== undefined) throw new Error("refused");
    await tryMounter(path, {
      kind: "overlay",
      namespace: "user",
      upper: "disk",
      async mount(_lowers, target) {
        console.log((await Deno.stat(target + "/..")).mode & 0o7777);
        throw new Error("not mounted");
      },
    }, {});`,
    test.path,
  );

  assertEquals(stdout, `${0o700}\n`);
});
