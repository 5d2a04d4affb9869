/** Programs of an image must never run on the host: neither as a hook, nor as a runtime. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { buildImage } from "../../../_support/image.ts";
import { peerTest, programPath, writeLayout } from "../../../_support/peers.ts";
import type { ProcessResult } from "../../../_support/process.ts";
import { posixTest } from "../../../_support/skip.ts";
import { dir, file, symlink, tar } from "../../../_support/tar.ts";
import { makeTempDir } from "../../../_support/temp.ts";
import { describeRoot } from "../../../store/_root_tree.ts";
import { runOci } from "./_place.ts";

const ID = "0b5d5c1e-0000-4000-8000-000000000000";

/**
 * Files that make a runtime run `hook` when it deletes the container, and all marks, past and
 * present, that identify a directory as the bundle of that container.
 */
function hostileLayer(directory: string, hook: string): Uint8Array {
  const note = JSON.stringify({ runtime: "runc", id: "x" });
  const state = stateOf(directory, hook);
  const record = {
    ociBundle: 1,
    version: 1,
    id: ID,
    phase: "complete",
    path: directory,
    kind: "uncompressed",
    image: `sha256:${"0".repeat(64)}`,
    store: directory,
    layers: [],
    mounts: [],
    parentInode: null,
    inode: null,
    isDirectoryNew: true,
    isTemporary: true,
  };
  const states = ["runtime-x", "run-x", `bundles/${ID}/run-x`].flatMap((path) => [
    file(`${path}/container.json`, note),
    file(`${path}/root/x/state.json`, state),
  ]);
  return tar(
    dir("rootfs"),
    file("rootfs/file", "mine"),
    file("config.json", "{}"),
    file("oci-bundle.json", JSON.stringify(record)),
    symlink(".oci-bundle", ID),
    file(`bundles/${ID}.json`, JSON.stringify(record)),
    file(`bundles/${ID}.lock`, ""),
    ...states,
  );
}

/** The state of a container that runc considers stopped. */
function stateOf(directory: string, hook: string): string {
  const hooks = { poststop: [{ path: hook, args: [hook] }] };
  return JSON.stringify({
    id: "x",
    init_process_pid: 999_999,
    init_process_start: 1,
    created: "2020-01-01T00:00:00Z",
    config: {
      rootfs: `${directory}/rootfs`,
      Hooks: hooks,
      version: "1.2.0",
      // Both are set in every state; the embedded resources have no object of their own.
      cgroups: { path: "/oci-none", devices: [] },
    },
    cgroup_paths: {},
  });
}

async function attack(path: string | undefined): Promise<void> {
  await using directory = await makeTempDir();
  const [box, ran, hook] = [directory.join("box"), directory.join("ran"), directory.join("hook")];
  await Deno.writeTextFile(hook, `#!/bin/sh\necho hook >> '${ran}'\n`, { mode: 0o755 });
  for (const name of ["runc", "crun", "youki"]) {
    await Deno.mkdir(directory.join("bin"), { recursive: true });
    const script = `#!/bin/sh\necho "${name} $*" >> '${ran}'\n`;
    await Deno.writeTextFile(directory.join("bin", name), script, { mode: 0o755 });
  }
  const layout = directory.join("layout");
  await writeLayout(layout, {
    evil: buildImage({ layers: [hostileLayer(box, hook)] }),
    good: buildImage({ layers: [tar(file("file", "good"))], config: { Cmd: ["/file"] } }),
  });
  const env = {
    OCI_STORE: directory.join("store"),
    PATH: path ?? `${directory.join("bin")}:${Deno.env.get("PATH")}`,
  };
  const oci = (...args: readonly string[]): Promise<ProcessResult> => runOci(args, { env });
  const unpacked = await oci("unpack", "-q", `oci:${layout}:evil`, box);
  const before = describeRoot(box);

  const unbundled = await oci("unbundle", box);
  const bundled = await oci("bundle", "-q", `oci:${layout}:good`, box);
  const inner = await oci("unbundle", `${box}/rootfs`);
  const diagnosed = await oci("doctor", "--json");

  const codes = [unpacked, unbundled, bundled, inner, diagnosed].map(({ code }) => code);
  assertEquals(codes, [0, 1, 1, 1, 0], unpacked.stderr);
  assertStringIncludes(unbundled.stderr, "the store has no record of such a bundle");
  assertStringIncludes(bundled.stderr, "it is not empty. Choose an empty or new directory");
  assertEquals(JSON.parse(diagnosed.stdout).store.bundles, []);
  assertEquals(describeRoot(box), before);
  const calls = await Deno.readTextFile(ran).catch(() => "");
  // "doctor" asks each runtime for its version.
  assertEquals(calls.split("\n").filter((call) => call !== "" && !call.endsWith("--version")), []);
}

posixTest("oci unbundle and oci bundle run no program of an image", () => attack(undefined));

peerTest({
  name: "oci unbundle and oci bundle have runc run no hook of an image",
  needs: ["runc"],
  root: true,
}, async () => {
  // The hook is one that this runc would run.
  await using directory = await makeTempDir();
  const ran = directory.join("ran");
  const state = directory.join("root/x");
  await Deno.mkdir(state, { recursive: true });
  await Deno.writeTextFile(directory.join("hook"), `#!/bin/sh\ntouch '${ran}'\n`, { mode: 0o755 });
  await Deno.writeTextFile(`${state}/state.json`, stateOf(directory.path, directory.join("hook")));
  const runc = programPath("runc") ?? "";
  await new Deno.Command(runc, {
    args: ["--root", directory.join("root"), "delete", "--force", "x"],
    stdout: "null",
    stderr: "null",
  }).output();
  assertEquals((await Deno.stat(ran)).isFile, true);

  await attack(Deno.env.get("PATH"));
});
