import { assertEquals, assertMatch } from "@std/assert";
import {
  newSpec,
  type SpecOption,
  withCapabilities,
  withCommand,
  withCPULimit,
  withDefaultSeccomp,
  withHostname,
  withHostNetwork,
  withImageConfig,
  withMemoryLimit,
  withReadOnlyRoot,
  withRootless,
  withUser,
} from "../../spec/mod.ts";
import { peerTest } from "../_support/peers.ts";
import {
  makeBundle,
  ordinaryId,
  ordinaryUserReason,
  PROGRAMS,
  runContainer,
} from "./_container.ts";

const ARCHITECTURE = Deno.build.arch === "aarch64" ? "arm64" : "amd64";
const IMAGE = {
  platform: { os: "linux", architecture: ARCHITECTURE },
  config: {
    User: "app:app",
    Env: ["A=from the image", "PATH=/bin"],
    Entrypoint: ["/bin/sh", "-ec"],
    WorkingDir: "/srv/made",
  },
  diffIds: [],
  history: [],
};
const PASSWD = "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n";
const GROUP = "app:x:1000:\nvideo:x:44:app\n";
const NEEDS = ["ldd", "setpriv", ...PROGRAMS];

/** A script in a container of the image, with the profile of the architecture. */
function script(text: string, ...options: SpecOption[]) {
  return newSpec(
    withImageConfig(IMAGE, PASSWD, GROUP),
    withDefaultSeccomp(ARCHITECTURE),
    withCommand([text]),
    ...options,
  );
}

/** Facts that a container prints about itself, line by line. */
const REPORT = `
echo "user $(id -u):$(id -g) $(id -G)"
echo "env $A $HOME $PATH"
echo "cwd $(readlink /proc/self/cwd)"
while read -r name value; do
  case $name in CapBnd:|CapEff:|NoNewPrivs:|Seccomp:) echo "$name $value";; esac
done < /proc/self/status
read -r line; echo "read $line"
exit 7
`;

for (const runtime of ["runc", "crun"]) {
  const root = { needs: [runtime, ...NEEDS], root: true };

  peerTest({ ...root, name: `${runtime} runs the command of the image` }, async () => {
    await using bundle = await makeBundle(0);

    const result = await runContainer(bundle, script(REPORT), { runtime, owner: 0, stdin: "x\n" });

    assertEquals(result.stderr, "");
    assertEquals(result.stdout.split("\n"), [
      "user 1000:1000 1000",
      "env from the image /home/app /bin",
      "cwd /srv/made",
      "CapEff: 0000000000000000",
      "CapBnd: 00000000a80425fb",
      "NoNewPrivs: 1",
      "Seccomp: 2",
      "read x",
      "",
    ]);
    assertEquals(result.code, 7);
  });

  peerTest({ ...root, name: `${runtime} gives the user its further groups` }, async () => {
    await using bundle = await makeBundle(0);

    const spec = script("id -G", withUser("app"));
    const { stdout } = await runContainer(bundle, spec, { runtime, owner: 0 });

    assertEquals(stdout.trim().split(" ").sort(), ["1000", "44"]);
  });

  peerTest({ ...root, name: `${runtime} keeps to the limits` }, async () => {
    await using bundle = await makeBundle(0);

    const spec = script(
      "cd /sys/fs/cgroup; cat cpu/cpu.cfs_quota_us memory/memory.limit_in_bytes 2>/dev/null ||" +
        " cat cpu.max memory.max",
      withCPULimit("500m"),
      withMemoryLimit("64Mi"),
    );
    const { stdout, stderr } = await runContainer(bundle, spec, { runtime, owner: 0 });

    assertMatch(stdout, /^50000( 100000)?\n67108864\n$/, stderr);
  });

  peerTest({ ...root, name: `${runtime} keeps a container from the host` }, async () => {
    await using bundle = await makeBundle(0);

    const spec = script(
      `
for attempt in "unshare -m true" "unshare -U true" "touch /rootfs" "touch /proc/sys/kernel/x"; do
  if $attempt 2>/dev/null; then echo "done: $attempt"; fi
done
cat /proc/interrupts
ls -A /sys/firmware
readlink /proc/self/ns/net
`,
      withUser("0"),
      withReadOnlyRoot(),
      withHostname("contained"),
    );
    const { stdout, stderr, code } = await runContainer(bundle, spec, { runtime, owner: 0 });

    assertMatch(stdout, /^net:\[\d+\]\n$/, stderr);
    assertEquals(stdout.trim() === await Deno.readLink("/proc/self/ns/net"), false);
    assertEquals(code, 0);
  });

  peerTest({ ...root, name: `${runtime} grants the privileges of an option` }, async () => {
    await using bundle = await makeBundle(0);

    const spec = script(
      "unshare -m true; readlink /proc/self/ns/net; cat /etc/resolv.conf >/dev/null",
      withUser("0"),
      withCapabilities({ add: ["SYS_ADMIN"] }),
      withHostNetwork(),
    );
    const { stdout, stderr } = await runContainer(bundle, spec, { runtime, owner: 0 });

    assertEquals([stderr, stdout.trim()], ["", await Deno.readLink("/proc/self/ns/net")]);
  });

  for (const network of ["its own", "the host's"]) {
    const name = `${runtime} runs as an ordinary user on ${network} network`;
    const rootless = { needs: [runtime, ...NEEDS], reason: await ordinaryUserReason(runtime) };

    peerTest({ ...rootless, name }, async () => {
      const owner = ordinaryId();
      await using bundle = await makeBundle(owner);
      const map = [{ containerID: 0, hostID: owner, size: 1 }];

      const spec = script(
        `${REPORT.replace("exit 7", "")} touch /written; ls /dev/pts; ls /sys/class/net; exit 7`,
        withUser("0"),
        withRootless({ uidMap: map, gidMap: map }),
        ...network === "its own" ? [] : [withHostNetwork()],
      );
      const result = await runContainer(bundle, spec, { runtime, owner, stdin: "x\n" });

      const [user, env, cwd] = result.stdout.split("\n");
      assertEquals([user, env, cwd], [
        "user 0:0 0",
        "env from the image /root /bin",
        "cwd /srv/made",
      ], result.stderr);
      assertEquals(result.stdout.includes("\nlo\n"), true);
      assertEquals((await Deno.stat(bundle.join("rootfs/written"))).uid, owner);
      assertEquals(result.code, 7);
    });
  }
}
