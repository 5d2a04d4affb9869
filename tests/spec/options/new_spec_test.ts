import { assertEquals, assertThrows } from "@std/assert";
import {
  DEFAULT_CAPABILITIES,
  formatSpec,
  newSpec,
  OciError,
  type SpecOption,
  withArgs,
  withDefaultSeccomp,
  withEnv,
  withHostname,
  withImageConfig,
  withTerminal,
  withUser,
} from "../../../spec/mod.ts";
import { GENERATED, GROUP, IMAGE, PASSWD } from "../_generated_specs.ts";

Deno.test("newSpec() isolates a container", () => {
  const { process, linux, root, mounts } = newSpec();

  assertEquals(root, { path: "rootfs", readonly: false });
  assertEquals(process.user, { uid: 0, gid: 0 });
  assertEquals(process.noNewPrivileges, true);
  assertEquals(process.capabilities, {
    bounding: DEFAULT_CAPABILITIES,
    effective: DEFAULT_CAPABILITIES,
    permitted: DEFAULT_CAPABILITIES,
  });
  assertEquals(
    linux.namespaces?.map(({ type }) => type),
    ["pid", "network", "ipc", "uts", "mount", "cgroup"],
  );
  assertEquals(linux.resources?.devices, [{ allow: false, access: "rwm" }]);
  assertEquals(mounts.map(({ destination }) => destination), [
    "/proc",
    "/dev",
    "/dev/pts",
    "/dev/shm",
    "/dev/mqueue",
    "/sys",
    "/sys/fs/cgroup",
  ]);
  assertEquals(linux.maskedPaths?.includes("/proc/kcore"), true);
  assertEquals(linux.readonlyPaths?.includes("/proc/sys"), true);
});

Deno.test("newSpec() sets PATH and HOME if nothing else does", () => {
  assertEquals(newSpec().process.env, [
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME=/",
  ]);
});

Deno.test("newSpec() sets TERM for a terminal if nothing else does", () => {
  const size = { height: 24, width: 80 };

  const { process } = newSpec(withTerminal(size));

  assertEquals(process.terminal, true);
  assertEquals(process.consoleSize, size);
  assertEquals(process.env?.includes("TERM=xterm"), true);
});

Deno.test("newSpec() sets HOSTNAME to the host name unless something else sets it", () => {
  const named = newSpec(withHostname("db"));
  const own = newSpec(withHostname("db"), withEnv({ HOSTNAME: "mine" }));

  assertEquals(named.process.env?.filter((line) => line.startsWith("HOSTNAME")), ["HOSTNAME=db"]);
  assertEquals(own.process.env?.filter((line) => line.startsWith("HOSTNAME")), ["HOSTNAME=mine"]);
  assertEquals(newSpec().process.env?.some((line) => line.startsWith("HOSTNAME")), false);
});

Deno.test("newSpec() does not change its defaults", () => {
  const before = formatSpec(newSpec());
  const spec = newSpec(withImageConfig(IMAGE, PASSWD, GROUP), withTerminal());

  assertEquals(formatSpec(newSpec()), before);
  assertEquals("pending" in spec, false);
});

Deno.test("newSpec() applies options in their order", () => {
  const domain = (domainname: string): SpecOption => (spec) => ({ ...spec, domainname });

  assertEquals(newSpec(domain("a"), domain("b")).domainname, "b");
});

Deno.test.each([
  { config: {} },
  { config: { Cmd: [] } },
  { config: { Cmd: [""] } },
])("newSpec() rejects a config without a command: $config", ({ config }) => {
  const image = { ...IMAGE, config };

  assertThrows(
    () => newSpec(withImageConfig(image, "", "", { image: "a/b:1" })),
    OciError,
    "Cannot make a configuration for a/b:1: there is no command to run. Specify the command to run",
  );
  assertEquals(newSpec(withImageConfig(image), withArgs(["a"])).process.args, ["a"]);
});

Deno.test("newSpec() looks up the final user", () => {
  const unknown = { ...IMAGE, config: { ...IMAGE.config, User: "nobody" } };
  const image = withImageConfig(unknown, PASSWD, GROUP, { image: "a/b:1" });

  assertThrows(() => newSpec(image), OciError, 'Cannot find user "nobody" in a/b:1');
  assertEquals(newSpec(image, withUser("7:8")).process.user, { uid: 7, gid: 8 });
  assertEquals(newSpec(withUser("0"), image, withUser("app")).process.user.uid, 1000);
});

Deno.test("newSpec() keeps the user that a custom option sets", () => {
  const umask: SpecOption = (spec) => ({
    ...spec,
    process: { ...spec.process, user: { ...spec.process.user, umask: 0o77 } },
  });

  assertEquals(newSpec(umask, withUser("7:8")).process.user, { uid: 7, gid: 8, umask: 0o77 });
});

Deno.test("newSpec() filters for the final capabilities", () => {
  const drop: SpecOption = (spec) => ({
    ...spec,
    process: { ...spec.process, capabilities: {} },
  });

  const allowed = newSpec(withDefaultSeccomp("amd64"), drop).linux.seccomp?.syscalls
    ?.filter(({ action }) => action === "SCMP_ACT_ALLOW").flatMap(({ names }) => names);

  assertEquals([allowed?.includes("open"), allowed?.includes("chroot")], [true, false]);
});

Deno.test("formatSpec() writes text that parses to the same configuration", () => {
  for (const spec of Object.values(GENERATED)) {
    const text = formatSpec(spec);

    assertEquals(JSON.parse(text), spec as unknown);
    assertEquals(formatSpec(JSON.parse(text)), text);
    assertEquals([text.startsWith('{\n  "ociVersion"'), text.endsWith("\n}\n")], [true, true]);
  }
});
