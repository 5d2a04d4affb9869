import { assertEquals, assertThrows } from "@std/assert";
import {
  newSpec,
  withCommand,
  withCwd,
  withEntrypoint,
  withEnv,
  withHostname,
  withHostNetwork,
  withImageConfig,
  withMounts,
  withNoNewPrivileges,
  withReadOnlyRoot,
  withRlimits,
  withRootFS,
  withUser,
  withUserAndGroup,
  withUserOnly,
} from "../../../spec/mod.ts";
import { GROUP, IMAGE, PASSWD } from "../_generated_specs.ts";

const image = withImageConfig(IMAGE, PASSWD, GROUP);
const CORE_LIMIT = { type: "RLIMIT_CORE", soft: 0, hard: 0 };

for (
  const [option, error, message] of [
    [() => withRlimits([{ type: "NOFILE", soft: 1, hard: 1 }]), RangeError, '"RLIMIT_NOFILE"'],
    [() => withRlimits([{ type: "RLIMIT_CPU", soft: 2, hard: 1 }]), RangeError, "2:1"],
    [() => withRlimits([{ type: "RLIMIT_FOO", soft: 1, hard: 1 }]), RangeError, "RLIMIT_FOO"],
    [() => withRlimits([CORE_LIMIT, CORE_LIMIT]), RangeError, "occur once"],
    [() => withCwd("a"), TypeError, "absolute"],
    [() => withMounts([{ destination: "a" }]), TypeError, 'mount at "a"'],
    [() => withEnv({ "": "a" }), TypeError, "empty"],
    [() => withEnv({ "a=": "a" }), TypeError, '"a="'],
    [() => withEnv({ a: "\0" }), TypeError, "NUL"],
    [() => withHostname(""), RangeError, "1 to 64"],
    [() => withHostname("ä".repeat(33)), RangeError, "1 to 64"],
    [() => withUserOnly("a:b"), SyntaxError, '"a:b"'],
    [() => withUserOnly(""), SyntaxError, '""'],
    [() => withUserAndGroup("a", ""), SyntaxError, "group"],
  ] as const
) {
  Deno.test(`spec options are checked: ${option}`, () => {
    assertThrows(option, error, message);
  });
}

Deno.test("withCommand() keeps the entry point, withEntrypoint() drops the command", () => {
  const args = (...options: Parameters<typeof newSpec>) => newSpec(image, ...options).process.args;

  assertEquals(args(withCommand(["x"])), ["/bin/app", "x"]);
  assertEquals(args(withCommand([])), ["/bin/app"]);
  assertEquals(args(withEntrypoint(["/e", "-e"])), ["/e", "-e"]);
  assertEquals(args(withEntrypoint(["/e"]), withCommand(["x"])), ["/e", "x"]);
  assertEquals(args(withEntrypoint([]), withCommand(["/x"])), ["/x"]);
});

Deno.test("withEnv() replaces, adds and removes", () => {
  const { process } = newSpec(image, withEnv({ A: undefined, PATH: "/p", HOME: "", N: "a=b" }));

  assertEquals(process.env, ["PATH=/p", "HOME=", "N=a=b"]);
});

Deno.test("withRootFS() and withReadOnlyRoot() set the root", () => {
  assertEquals(newSpec(withRootFS("/r", true)).root, { path: "/r", readonly: true });
  assertEquals(newSpec(withRootFS("/r")).root, { path: "/r", readonly: false });
  assertEquals(newSpec(withRootFS("/r"), withReadOnlyRoot()).root, { path: "/r", readonly: true });
});

Deno.test("withMounts() replaces a mount with the same destination", () => {
  const shm = { destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["size=1g"] };
  const data = { destination: "/data", type: "tmpfs", source: "tmpfs" };

  const { mounts } = newSpec(withMounts([shm, data, { ...data, source: "x" }]));

  assertEquals(mounts.filter(({ destination }) => destination === "/dev/shm"), [shm]);
  assertEquals(mounts.at(-1), { ...data, source: "x" });
  assertEquals(mounts.length, 8);
});

Deno.test("withRlimits() replaces a limit of the same name", () => {
  const file = { type: "RLIMIT_NOFILE", soft: 9, hard: 10 };

  assertEquals(newSpec(withRlimits([CORE_LIMIT, file])).process.rlimits, [CORE_LIMIT, file]);
});

Deno.test("withNoNewPrivileges() accepts false", () => {
  assertEquals(newSpec(withNoNewPrivileges(false)).process.noNewPrivileges, false);
});

Deno.test("withHostNetwork() shares the network and the names", () => {
  const { linux, mounts } = newSpec(withHostNetwork());

  assertEquals(linux.namespaces?.some(({ type }) => type === "network"), false);
  assertEquals(mounts.slice(-2).map(({ source }) => source), ["/etc/hosts", "/etc/resolv.conf"]);
  assertEquals(newSpec(withHostNetwork({ files: [] })).mounts, newSpec().mounts);
});

Deno.test("withUser(), withUserOnly() and withUserAndGroup() find the groups", () => {
  const user = (option: Parameters<typeof newSpec>[0]) =>
    newSpec(image, ...option ? [option] : []).process.user;
  const app = { uid: 1000, gid: 1000, additionalGids: [44, 1000] };

  assertEquals(user(withUser("app")), app);
  assertEquals(user(withUserOnly("1000")), app);
  assertEquals(user(withUser("app:video")), { uid: 1000, gid: 44 });
  assertEquals(user(withUserAndGroup("app", "0")), { uid: 1000, gid: 0 });
});
