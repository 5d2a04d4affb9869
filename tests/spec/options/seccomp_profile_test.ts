import { assertEquals, assertThrows } from "@std/assert";
import {
  DEFAULT_CAPABILITIES,
  defaultSeccompProfile,
  newSpec,
  type SeccompProfile,
  withDefaultSeccomp,
  withSeccomp,
} from "../../../spec/mod.ts";

/** Action for a call whose arguments meet no condition. */
function outcome(profile: SeccompProfile, call: string): string {
  const rule = profile.syscalls?.find((rule) => rule.names.includes(call) && !rule.args);
  if (rule?.action === "SCMP_ACT_ALLOW") return "allowed";
  return `errno ${rule?.errnoRet ?? profile.defaultErrnoRet}`;
}

const DOCKER = defaultSeccompProfile("amd64", DEFAULT_CAPABILITIES);

Deno.test.each([
  { call: "openat", is: "allowed" },
  { call: "execve", is: "allowed" },
  { call: "futex", is: "allowed" },
  { call: "ptrace", is: "allowed" },
  { call: "arch_prctl", is: "allowed" },
  { call: "chroot", is: "allowed" },
  { call: "mount", is: "errno 1" },
  { call: "unshare", is: "errno 1" },
  { call: "setns", is: "errno 1" },
  { call: "bpf", is: "errno 1" },
  { call: "keyctl", is: "errno 1" },
  { call: "init_module", is: "errno 1" },
  { call: "kexec_load", is: "errno 1" },
  { call: "open_by_handle_at", is: "errno 1" },
  { call: "perf_event_open", is: "errno 1" },
  { call: "userfaultfd", is: "errno 1" },
  { call: "io_uring_setup", is: "errno 1" },
  { call: "reboot", is: "errno 1" },
  { call: "clone3", is: "errno 38" },
  { call: "clone", is: "errno 38" },
  { call: "s390_runtime_instr", is: "errno 38" },
  { call: "a_call_of_tomorrow", is: "errno 38" },
])("defaultSeccompProfile() handles $call with Docker's capabilities", ({ call, is }) => {
  assertEquals(outcome(DOCKER, call), is);
});

Deno.test.each([
  { capability: "CAP_SYS_ADMIN", call: "mount" },
  { capability: "CAP_SYS_ADMIN", call: "clone" },
  { capability: "CAP_SYS_ADMIN", call: "clone3" },
  { capability: "CAP_SYS_ADMIN", call: "bpf" },
  { capability: "CAP_BPF", call: "bpf" },
  { capability: "CAP_SYS_CHROOT", call: "chroot" },
  { capability: "CAP_SYS_MODULE", call: "init_module" },
  { capability: "CAP_SYS_TIME", call: "clock_settime" },
  { capability: "CAP_DAC_READ_SEARCH", call: "open_by_handle_at" },
  { capability: "CAP_SYS_NICE", call: "mbind" },
  { capability: "CAP_SYSLOG", call: "syslog" },
])("defaultSeccompProfile() allows $call with $capability", ({ capability, call }) => {
  assertEquals(outcome(defaultSeccompProfile("amd64", [capability]), call), "allowed");
  assertEquals(outcome(defaultSeccompProfile("amd64", []), call) === "allowed", false);
});

Deno.test("defaultSeccompProfile() allows clone() without namespaces", () => {
  const condition = (architecture: string) =>
    defaultSeccompProfile(architecture, []).syscalls
      ?.find(({ names }) => names.includes("clone"))?.args;

  assertEquals(condition("amd64"), [
    { index: 0, value: 0x7e020000, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" },
  ]);
  assertEquals(condition("s390x")?.[0]?.index, 1);
});

Deno.test.each([
  { architecture: "amd64", names: ["X86_64", "X86", "X32"] },
  { architecture: "386", names: ["X86"] },
  { architecture: "arm64", names: ["AARCH64", "ARM"] },
  { architecture: "s390x", names: ["S390X", "S390"] },
  { architecture: "riscv64", names: ["RISCV64"] },
])(
  "defaultSeccompProfile() filters all architectures that $architecture runs",
  ({ architecture, names }) => {
    assertEquals(
      defaultSeccompProfile(architecture, []).architectures,
      names.map((name) => `SCMP_ARCH_${name}`),
    );
  },
);

Deno.test("defaultSeccompProfile() has no contradictory rules", () => {
  for (const capabilities of [[], DEFAULT_CAPABILITIES, ["CAP_SYS_ADMIN"], ["CAP_BPF"]]) {
    for (const architecture of ["amd64", "arm64", "s390x"]) {
      const rules = defaultSeccompProfile(architecture, capabilities).syscalls ?? [];
      const plain = rules.filter(({ args }) => !args).flatMap(({ names }) => names);
      const conditional = rules.filter(({ args }) => args).flatMap(({ names }) => names);

      assertEquals(new Set(plain).size, plain.length);
      assertEquals(conditional.filter((name) => plain.includes(name)), []);
      // libseccomp refuses two conditions on one argument.
      assertEquals(rules.filter(({ args = [] }) => args.length > 1), []);
    }
  }
});

Deno.test("defaultSeccompProfile() rejects an unknown architecture", () => {
  for (const architecture of ["x86_64", "wasm", "", "constructor"]) {
    assertThrows(() => defaultSeccompProfile(architecture, []), RangeError, "386, amd64");
  }
});

Deno.test("withSeccomp() and withDefaultSeccomp() replace each other", () => {
  const own: SeccompProfile = { defaultAction: "SCMP_ACT_LOG" };

  assertEquals(newSpec().linux.seccomp, undefined);
  assertEquals(newSpec(withDefaultSeccomp("amd64")).linux.seccomp, DOCKER);
  assertEquals(newSpec(withDefaultSeccomp("amd64"), withSeccomp(own)).linux.seccomp, own);
  assertEquals(newSpec(withSeccomp(own), withDefaultSeccomp("amd64")).linux.seccomp, DOCKER);
  assertEquals(newSpec(withSeccomp(own), withSeccomp(undefined)).linux.seccomp, undefined);
});
