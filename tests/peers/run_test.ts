import { assertEquals, assertStringIncludes } from "@std/assert";
import { basename } from "@std/path";
import type { StoredBundle } from "../../store/mod.ts";
import { idMapReason } from "../_support/mounting.ts";
import type { OciSession } from "../_support/oci_session.ts";
import { peerTest } from "../_support/peers.ts";
import { kill, type ProcessResult } from "../_support/process.ts";
import { makeTempDir } from "../_support/temp.ts";
import { ordinaryUserReason } from "./_container.ts";
import { makeRunPlace, owners, PROGRAMS, type RunPlace } from "./_oci_run.ts";
import { type RunStep, STEPS } from "./_run_steps.ts";

const NEEDS = ["ldd", "setpriv", "unshare", ...PROGRAMS];

/** Runs a command line. */
type RunLine = (args: readonly string[], stdin: string | undefined) => Promise<ProcessResult>;

async function runStep(
  place: RunPlace,
  step: RunStep,
  options: readonly string[],
  run: RunLine,
): Promise<void> {
  const { image = "root", stdin, code = 0, stdout, stderr } = step;
  const command = ["run", "--quiet", ...options, ...step.options ?? [], place[image], "--"];
  const result = await run([...command, ...step.args], stdin);

  assertEquals(result.code, code, result.stderr);
  if (stdout !== undefined) assertEquals(result.stdout, stdout);
  if (stderr !== undefined) assertStringIncludes(result.stderr, stderr);
  assertEquals(await place.left(), []);
}

/** The directories of all tests that leave nothing behind, by user. */
const places = new Map<number, Promise<RunPlace>>();

function placeOf(owner: number): Promise<RunPlace> {
  return places.getOrInsertComputed(owner, makeRunPlace);
}

Deno.test.afterAll(async () => {
  for (const place of places.values()) await (await place)[Symbol.asyncDispose]();
});

for (const runtime of ["runc", "crun"]) {
  for (const owner of owners()) {
    const isRoot = owner === 0;
    const who = isRoot ? "root" : "an ordinary user";
    for (const bundler of isRoot ? ["overlay", "uncompressed"] : ["uncompressed"]) {
      peerTest({
        name: `oci run runs ${bundler} bundles with ${runtime} as ${who}`,
        needs: [runtime, ...NEEDS],
        reason: isRoot ? undefined : await ordinaryUserReason(runtime),
      }, async (t) => {
        const place = await placeOf(owner);
        const steps = STEPS.filter(({ needsIds, ofRuntime }) => {
          if (isRoot && bundler === "uncompressed" && ofRuntime) return false;
          return isRoot || !needsIds;
        });
        await using session = await place.session();
        const run: RunLine = (args, stdin) =>
          stdin === undefined ? session.run(args) : place.oci(args, { stdin });
        for (const step of steps) {
          const options = ["--runtime", runtime, "--bundler", bundler];
          await t.step(step.name, () => runStep(place, step, options, run));
        }
      });
    }
    peerTest({
      name: `oci run mounts overlays with ${runtime} as ${who}, root of a namespace`,
      needs: [runtime, ...NEEDS],
      reason: await ordinaryUserReason(runtime),
    }, async (t) => {
      const place = await placeOf(owner);
      const run: RunLine = (args, stdin) => place.oci(args, { namespace: true, stdin });
      for (const step of STEPS.filter(({ needsIds }) => !needsIds).slice(0, 2)) {
        const options = ["--runtime", runtime, "--bundler", "overlay"];
        await t.step(step.name, () => runStep(place, step, options, run));
      }
    });
  }

  for (const bundler of ["overlay", "uncompressed"]) {
    peerTest({
      name: `oci run runs ${bundler} bundles with mapped IDs, with ${runtime}`,
      needs: [runtime, ...NEEDS],
      root: true,
      reason: bundler === "overlay" ? await idMapReason() : undefined,
    }, async (t) => {
      const place = await placeOf(0);
      await using session = await place.session();
      const run: RunLine = (args, stdin) =>
        stdin === undefined ? session.run(args) : place.oci(args, { stdin });
      const options = ["--runtime", runtime, "--bundler", bundler, "--uid-map", "0:100000:65536"];
      for (const step of STEPS.filter(({ ofRuntime }) => !ofRuntime)) {
        await t.step(step.name, () => runStep(place, step, options, run));
      }
    });
  }

  peerTest({
    name: `oci run forwards a signal, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
  }, async (t) => {
    const place = await placeOf(0);
    for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) {
      await t.step(signal, async () => {
        const script = 'trap "echo stopped; exit 9" TERM INT HUP; echo ready; ' +
          "while :; do sleep 0.05; done";
        await using child = place.start(
          ["run", "--quiet", "--runtime", runtime, place.root, "--", "sh", "-c", script],
        );
        const output = child.stdout.pipeThrough(new TextDecoderStream()).values();
        const errors = child.stderr.text();
        assertEquals((await output.next()).value, "ready\n");

        child.kill(signal);

        const said = (await Array.fromAsync(output)).join("");
        const { code } = await child.status;
        assertEquals([code, said], [9, "stopped\n"], await errors);
        assertEquals(await place.left(), []);
      });
    }
  });

  peerTest({
    name: `oci run kills a container that ignores repeated signals, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
  }, async () => {
    const place = await placeOf(0);
    await using child = place.start([
      ...["run", "--quiet", "--runtime", runtime, place.root, "--", "sh", "-c"],
      'trap "" INT; sleep 0.5; echo ready; while :; do sleep 0.05; done',
    ]);
    const output = child.stdout.pipeThrough(new TextDecoderStream()).values();
    const errors = child.stderr.text();
    assertEquals((await output.next()).value, "ready\n");

    child.kill("SIGINT");
    // Signals that a busy machine delivers at once count as one, so send them until three arrived.
    const timer = setInterval(() => kill(child, "SIGINT"), 200);
    const { code } = await child.status;
    clearInterval(timer);

    await Array.fromAsync(output);
    assertEquals(code, 137);
    assertStringIncludes(await errors, "killed the container");
    assertEquals(await place.left(), []);
  });

  peerTest({
    name: `oci unbundle ends the container of a killed run, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
  }, async () => {
    await using place = await makeRunPlace(0);
    await using session = await place.session();
    const script = "echo ready; while :; do sleep 0.05; done";
    await using child = place.start(
      ["run", "--quiet", "--runtime", runtime, place.root, "--", "sh", "-c", script],
    );
    const output = child.stdout.pipeThrough(new TextDecoderStream()).values();
    assertEquals((await output.next()).value, "ready\n");
    const [{ path = "", condition: during } = {}] = await bundlesIn(session);
    const refused = await session.run(["unbundle", path]);
    child.kill("SIGKILL");
    await child.status;

    const next = await session.run(["run", "--runtime", runtime, place.root, "--", "id", "-u"]);
    const after = (await bundlesIn(session)).map(({ condition }) => condition);
    const { code, stderr } = await session.run(["unbundle", path]);

    assertEquals([during, after], ["used", ["running"]]);
    assertStringIncludes(
      refused.stderr,
      "another process is making, running or removing its bundle",
    );
    assertEquals([next.code, next.stdout], [0, "0\n"]);
    assertStringIncludes(next.stderr, `is still running; end it with "oci unbundle ${path}"`);
    assertEquals([code, stderr], [0, ""]);
    // The container holds the other end of the pipe as long as it exists.
    assertEquals(await Array.fromAsync(output), []);
    await child.stderr.cancel();
    assertEquals(await place.left(), []);
    assertEquals(await cgroupsOf(basename(path)), []);
  });

  for (const bundler of ["overlay", "uncompressed"]) {
    peerTest({
      name: `oci run removes leftovers of killed runs of ${bundler} bundles, with ${runtime}`,
      needs: [runtime, ...NEEDS],
      root: true,
    }, async () => {
      await using place = await makeRunPlace(0);
      const options = ["run", "--quiet", "--runtime", runtime, "--bundler", bundler, place.root];
      const begun = performance.now();
      await place.oci([...options, "--", "id", "-u"]);
      const wholeMs = performance.now() - begun;

      // The moments need not be exact, but spread over the whole run.
      for (let at = 0.2; at < 1; at += 0.15) {
        await using child = place.start([...options, "--", "id", "-u"]);
        const timer = setTimeout(() => kill(child, "SIGKILL"), at * wholeMs);
        // The container and its runtime have the other ends of the pipes.
        await Promise.all([child.stdout.text(), child.stderr.text(), child.status]);
        clearTimeout(timer);
      }
      await using session = await place.session();
      const { code, stderr } = await session.run([...options, "--", "id", "-u"]);

      assertEquals([code, stderr], [0, ""]);
      assertEquals(await place.left(), []);
      assertEquals(await bundlesIn(session), []);
    });
  }

  peerTest({
    name: `oci run leaves nothing of a container that is killed while it begins, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
  }, async () => {
    const place = await placeOf(0);
    const before = await cgroupsOf("run-");
    await using session = await place.session();

    for (const timeout of ["0.001", "0.01", "0.02", "0.03"]) {
      const args = ["run", "--quiet", "--runtime", runtime, "--timeout", timeout, place.root];
      const { code, stderr } = await session.run([...args, "--", "sleep", "60"]);
      assertEquals(code, 137, stderr);
    }

    assertEquals(await place.left(), []);
    assertEquals((await cgroupsOf("run-")).filter((name) => !before.includes(name)), []);
  });

  peerTest({
    name: `oci run takes a store with odd characters in its path, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
  }, async () => {
    const place = await placeOf(0);
    await using directory = await makeTempDir({ large: true });
    const store = directory.join("a:b, c\nd");
    await using session = await place.session();

    const { code, stdout, stderr } = await session.run(
      ["run", "--quiet", "--runtime", runtime, "--store", store, place.root, "--", "id", "-u"],
    );
    const missing = await session.run(
      ["run", "--quiet", "--runtime", runtime, "--store", store, place.root, "--", "nothing"],
    );

    assertEquals([code, stdout], [0, "0\n"], stderr);
    assertStringIncludes(missing.stderr, "cannot start the container");
    assertEquals(missing.stderr.split("not found").length, 2, missing.stderr);
  });

  peerTest({
    name: `oci run limits processors and memory, with ${runtime}`,
    needs: [runtime, ...NEEDS],
    root: true,
    reason: await hasFirstCgroups() ? undefined : "no control groups of version 1",
  }, async () => {
    const place = await placeOf(0);
    const files = [
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ];

    const { code, stdout, stderr } = await place.oci([
      ...["run", "--quiet", "--runtime", runtime, "--cpu", "500m", "--memory", "64Mi"],
      ...[place.root, "--", "cat", ...files],
    ]);

    assertEquals([code, stdout], [0, "50000\n67108864\n"], stderr);
  });
}

peerTest({
  name: "oci run warns of limits that crun ignores for an ordinary user",
  needs: ["crun", ...NEEDS],
  reason: await hasFirstCgroups()
    ? await ordinaryUserReason("crun")
    : "no control groups of version 1",
}, async () => {
  const place = await placeOf(owners().at(-1) ?? 0);

  const { code, stderr } = await place.oci(
    ["run", "--quiet", "--runtime", "crun", "--memory", "64Mi", place.root, "--", "id"],
  );

  assertEquals(code, 0, stderr);
  assertStringIncludes(stderr, "the limits may have no effect");
});

/** The findings of `oci doctor` about the bundles of the store. */
async function bundlesIn(
  session: OciSession,
): Promise<readonly Partial<Pick<StoredBundle, "path" | "condition">>[]> {
  const { stdout } = await session.run(["doctor", "--json"]);
  return JSON.parse(stdout).store.bundles;
}

/** Control groups of version 1 with a prefix and without processes. */
async function cgroupsOf(start: string): Promise<readonly string[]> {
  const left: string[] = [];
  for (const name of await namesIn("/sys/fs/cgroup/memory")) {
    if (!name.startsWith(start)) continue;
    try {
      // Other programs may run containers at the same time.
      const path = `/sys/fs/cgroup/memory/${name}/cgroup.procs`;
      if (await Deno.readTextFile(path) === "") left.push(name);
    } catch {
      // It is removed just now.
    }
  }
  return left;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return await Array.fromAsync(Deno.readDir(directory), ({ name }) => name);
  } catch {
    // There is no version 1, and other leftovers are checked as well.
    return [];
  }
}

async function hasFirstCgroups(): Promise<boolean> {
  try {
    return (await Deno.stat("/sys/fs/cgroup/memory/memory.limit_in_bytes")).isFile;
  } catch {
    return false;
  }
}
