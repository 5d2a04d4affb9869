import { assert, assertEquals, assertRejects } from "@std/assert";
import { BundleError, runBundle, RuntimeError } from "../../../store/mod.ts";
import { denoEnvironment, ROOT, run } from "../../_support/process.ts";
import { linuxTest, posixTest } from "../../_support/skip.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";

/**
 * A program that accepts the arguments of a runtime and runs a script instead of a container. The
 * script writes the ID of the process that receives signals to the file `pid` in its directory.
 */
async function fakeRuntime(dir: TempDir, script: string, kill = KILL): Promise<string> {
  const path = dir.join("runtime");
  const state = `printf '{"status": "running", "pid": %s}' "$(cat "\${0%/*}/pid")"`;
  const cases = [`*" run --bundle "*) ${script} ;;`, `*" state "*) ${state} ;;`];
  await Deno.writeTextFile(dir.join("config.json"), "{}");
  const text = ["#!/bin/sh", 'case "$*" in', ...cases, `*" kill "*) ${kill} ;;`, "esac"];
  await Deno.writeTextFile(path, text.map((line) => `${line}\n`).join(""), { mode: 0o755 });
  return path;
}

/** Sends the last of the arguments to the process. */
const KILL = 'kill -s "$5" "$(cat "${0%/*}/pid")"';

/** Makes the second rename fail as on a full disk. */
function failSecondRename(): Disposable & { count(): number } {
  const { renameSync } = Deno;
  let count = 0;
  Deno.renameSync = (from, to) => {
    if (++count === 2) throw Object.assign(new Error("No space left"), { code: "ENOSPC" });
    renameSync(from, to);
  };
  return { count: () => count, [Symbol.dispose]: () => void (Deno.renameSync = renameSync) };
}

posixTest("runBundle() returns piped output of the container", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "echo out; echo err >&2");

  const result = await runBundle(dir.path, { runtime, stdout: "piped", stderr: "piped" });

  const decoder = new TextDecoder();
  assertEquals([result.code, result.timedOut], [0, false]);
  assertEquals(decoder.decode(result.stdout), "out\n");
  assertEquals(decoder.decode(result.stderr), "err\n");
});

posixTest("runBundle() passes bytes as standard input, and closes it", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "exec cat");
  const stdin = new Uint8Array(1_000_000).fill(7);

  for (const bytes of [stdin, new Uint8Array()]) {
    const { stdout } = await runBundle(dir.path, { runtime, stdin: bytes, stdout: "piped" });
    assertEquals(stdout, bytes);
  }
  const { stdout } = await runBundle(dir.path, { runtime, stdin: "null", stdout: "piped" });
  assertEquals(stdout.length, 0);
});

posixTest("runBundle() accepts that a program does not read its standard input", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "exec true");

  const { code } = await runBundle(dir.path, { runtime, stdin: new Uint8Array(1_000_000) });

  assertEquals(code, 0);
});

posixTest("runBundle() rejects a directory that is not a bundle", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "exit 1");
  await Deno.mkdir(dir.join("empty"));

  for (const path of [dir.join("empty"), dir.join("missing"), runtime]) {
    const error = await assertRejects(() => runBundle(path, { runtime }), BundleError);
    assertEquals([error.code, error.path], ["bundle-unknown", path]);
  }
});

posixTest("runBundle() writes standard error to a stream, and leaves it open", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "echo err >&2");
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const text = new Response(readable).text();

  const { stderr } = await runBundle(dir.path, { runtime, stderr: writable });
  await runBundle(dir.path, { runtime, stderr: writable });
  await writable.close();

  assertEquals([stderr.length, await text], [0, "err\nerr\n"]);
});

posixTest(
  "runBundle() rejects once the container has ended if its stderr cannot be written",
  async () => {
    await using dir = await makeTempDir();
    const runtime = await fakeRuntime(dir, 'echo err >&2; sleep 0.2; echo end > "${0%/*}/end"');
    const stderr = new WritableStream({ write: () => Promise.reject(new RangeError("no room")) });

    await assertRejects(() => runBundle(dir.path, { runtime, stderr }), RangeError, "no room");

    assertEquals(await Deno.readTextFile(dir.join("end")), "end\n");
  },
);

posixTest("runBundle() returns more output than fits into a pipe", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "head -c 1000000 /dev/zero");

  const { stdout, stderr } = await runBundle(dir.path, { runtime, stdout: "piped" });

  assertEquals([stdout.length, stderr.length], [1_000_000, 0]);
});

posixTest("runBundle() rejects with the reason of the signal while output is piped", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, 'echo out; echo $$ > "${0%/*}/pid"; exec sleep 60');
  const controller = new AbortController();
  const reason = new Error("enough");

  const running = runBundle(dir.path, {
    runtime,
    stdout: "piped",
    signal: controller.signal,
    onStart: () => controller.abort(reason),
  });

  assertEquals(await assertRejects(() => running), reason);
});

linuxTest("runBundle() runs a runtime in a new session", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "cat /proc/$$/stat");

  const { stdout } = await runBundle(dir.path, { runtime, stdout: "piped" });

  const [, pid, sid] = /^(\d+) \(.*\) \S \d+ \d+ (\d+) /.exec(new TextDecoder().decode(stdout)) ??
    [];
  assert(pid !== undefined);
  assertEquals(sid, pid);
});

posixTest("runBundle() starts a runtime in a directory that every user may enter", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "pwd");

  const { stdout } = await runBundle(dir.path, { runtime, stdout: "piped" });

  assertEquals(new TextDecoder().decode(stdout), "/\n");
});

posixTest("runBundle() names a runtime that cannot be executed", async () => {
  await using dir = await makeTempDir();
  await Deno.writeTextFile(dir.join("config.json"), "{}");
  const path = dir.join("runtime");
  await Deno.writeTextFile(path, "#!/no/such/interpreter\n", { mode: 0o755 });

  const error = await assertRejects(
    () => runBundle(dir.path, { runtime: path, stderr: "piped" }),
    RuntimeError,
  );

  assertEquals([error.code, error.runtime], ["runtime-failed", path]);
});

posixTest("runBundle() does not repeat what the runtime says about control groups", async () => {
  await using dir = await makeTempDir();
  const says = "cgroups in hybrid mode not supported, drop all controllers from cgroupv2";
  const script = `echo '{"level": "error", "msg": "${says}"}' > "$4"; exit 1`;
  const runtime = await fakeRuntime(dir, script);

  const error = await assertRejects(() => runBundle(dir.path, { runtime }), RuntimeError);

  assertEquals(
    error.problem,
    "runtime does not support a machine with both versions of control groups",
  );
  assertEquals(error.details, [says]);
});

posixTest("runBundle() runs a container although the disk is full once it has begun", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "echo out");
  using renames = failSecondRename();

  const { code, stdout } = await runBundle(dir.path, { runtime, stdout: "piped" });

  assertEquals([code, new TextDecoder().decode(stdout), renames.count()], [0, "out\n", 2]);
});

posixTest("runBundle() returns exit codes 126 and 127 of a container", async () => {
  await using dir = await makeTempDir();

  for (const code of [126, 127]) {
    const runtime = await fakeRuntime(dir, `exit ${code}`);
    assertEquals((await runBundle(dir.path, { runtime })).code, code);
  }
});

linuxTest("runBundle() ends a container that a signal reaches before its program", async () => {
  await using dir = await makeTempDir();
  // A subshell has not executed a program since it was forked.
  const script = '(while :; do sleep 0.05; done) & echo $! > "${0%/*}/pid"; wait $!';
  const runtime = await fakeRuntime(dir, script);

  const { code } = await runBundle(dir.path, {
    runtime,
    forwardSignals: true,
    onStart: () => Deno.kill(Deno.pid, "SIGTERM"),
  });

  assertEquals(code, 143);
});

linuxTest("runBundle() forwards a signal to the program, not to its runtime", async () => {
  await using dir = await makeTempDir();
  const program = 'trap "exit 9" TERM; echo $$ > "$0"; echo ready >&2; ' +
    "while :; do sleep 0.05; done";
  const runtime = await fakeRuntime(dir, `sh -c '${program}' "\${0%/*}/pid" & wait $!`);
  const stderr = new WritableStream({ write: () => Deno.kill(Deno.pid, "SIGTERM") });

  const { code } = await runBundle(dir.path, { runtime, forwardSignals: true, stderr });

  assertEquals(code, 9);
});

linuxTest(
  "runBundle() holds back a signal that ends nothing until the program begins",
  async () => {
    await using dir = await makeTempDir();
    const program = 'trap "exit 9" USR1; echo $$ > "$0"; while :; do sleep 0.05; done';
    const runtime = await fakeRuntime(dir, `sh -c '${program}' "\${0%/*}/pid" & wait $!`);

    const { code } = await runBundle(dir.path, {
      runtime,
      forwardSignals: true,
      onStart: () => Deno.kill(Deno.pid, "SIGUSR1"),
    });

    assertEquals(code, 9);
  },
);

posixTest("runBundle() returns the exit code of a program that ends before a signal", async () => {
  await using dir = await makeTempDir();
  const script = 'until [ -e "${0%/*}/ended" ]; do sleep 0.05; done; exit 3';
  const runtime = await fakeRuntime(dir, script, 'touch "${0%/*}/ended"');

  const { code } = await runBundle(dir.path, {
    runtime,
    forwardSignals: true,
    onStart: () => Deno.kill(Deno.pid, "SIGTERM"),
  });

  assertEquals(code, 3);
});

for (const path of [undefined, "/nowhere"]) {
  linuxTest(`runBundle() starts a runtime with the usual umask and $PATH ${path}`, async () => {
    await using dir = await makeTempDir();
    const runtime = await fakeRuntime(dir, "umask");
    const library = new URL("../../../store/mod.ts", import.meta.url).href;
    const code = `import { runBundle } from ${JSON.stringify(library)};
    await runBundle(${JSON.stringify(dir.path)}, { runtime: ${JSON.stringify(runtime)} });`;
    const deno = [Deno.execPath(), "eval", "--quiet", code];

    const { stdout, stderr } = await run("/bin/sh", ["-c", 'umask 077; exec "$@"', "sh", ...deno], {
      env: { ...await denoEnvironment(), ...path === undefined ? {} : { PATH: path } },
    });

    assertEquals(stdout, "0022\n", stderr);
  });
}

linuxTest("runBundle() reads no file in /proc that would prompt for a permission", async () => {
  await using dir = await makeTempDir();
  const runtime = await fakeRuntime(dir, "exit 3");
  const library = new URL("../../../store/mod.ts", import.meta.url).href;
  const bundle = { path: dir.path, stateDirectory: dir.join("state") };
  const code = `import { runBundle } from ${JSON.stringify(library)};
  Deno.env.set("PATH", ${JSON.stringify(dir.path)});
  const { readTextFileSync } = Deno;
  const reads = [];
  Deno.readTextFileSync = (path) => (reads.push(path), readTextFileSync(path));
  const options = { runtime: ${JSON.stringify(runtime)} };
  const { code } = await runBundle(${JSON.stringify(bundle)}, options);
  console.log(code, ...reads.filter((path) => path.startsWith("/proc/")));`;
  const permissions = [
    // Programs are looked up in these directories.
    ...[`--allow-read=${dir.path},/usr,/bin,/sbin`, `--allow-write=${dir.path}`],
    ...["--allow-run", "--allow-env=PATH"],
  ];

  const { stdout, stderr } = await run(
    Deno.execPath(),
    ["run", "--no-prompt", "--quiet", ...permissions, "-"],
    { cwd: ROOT, stdin: code },
  );

  assertEquals(stdout, "3\n", stderr);
});
