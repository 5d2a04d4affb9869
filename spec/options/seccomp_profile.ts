import { explainedError } from "../error_facts.ts";
import type { SeccompArgument, SeccompProfile, SeccompRule } from "../runtime/runtime_seccomp.ts";
import type { SpecOption } from "../runtime/spec_option.ts";
import { ALLOWED, ALLOWED_ON, ALLOWED_WITH, REFUSED } from "./_syscalls.ts";

/** Seccomp architectures that the kernel of each OCI architecture supports. */
const ARCHITECTURES = new Map<string, readonly string[]>([
  ["386", ["X86"]],
  ["amd64", ["X86_64", "X86", "X32"]],
  ["arm", ["ARM"]],
  ["arm64", ["AARCH64", "ARM"]],
  ["loong64", ["LOONGARCH64"]],
  ["mips", ["MIPS"]],
  ["mips64", ["MIPS64", "MIPS", "MIPS64N32"]],
  ["mips64le", ["MIPSEL64", "MIPSEL", "MIPSEL64N32"]],
  ["mipsle", ["MIPSEL"]],
  ["ppc64", ["PPC64"]],
  ["ppc64le", ["PPC64LE"]],
  ["riscv64", ["RISCV64"]],
  ["s390x", ["S390X", "S390"]],
]);

const EPERM = 1;
const ENOSYS = 38;
const EAFNOSUPPORT = 97;

/** Flags of clone(2) that create namespaces. */
const CLONE_NEW_FLAGS = 0x7e02_0000;
const AF_VSOCK = 40;
/**
 * Arguments of personality(2): Linux, 32-bit Linux, both with a version name of 2.6, and the query.
 */
const PERSONALITIES = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/**
 * Creates the default seccomp profile. Like those of Docker and Podman, it allows the calls that
 * ordinary programs need, and those that the capabilities permit.
 *
 * Forbidden calls fail with `EPERM`. Unknown calls, for example of later kernels, fail with
 * `ENOSYS`, so that libraries fall back to older ones. Without `CAP_SYS_ADMIN`, namespaces cannot
 * be created and `clone3` is missing, because a filter cannot check its flags.
 *
 * @param architecture Architecture of the host by its OCI name, such as `amd64`.
 * @param capabilities Bounding set of the container.
 * @returns The profile.
 * @throws {RangeError} If there is no profile for the architecture.
 *
 * @example Allow a system call by a capability
 * ```ts
 * import { defaultSeccompProfile } from "@x/oci/spec";
 * import { assert } from "@std/assert";
 *
 * const allows = (capabilities: string[], name: string) =>
 *   defaultSeccompProfile("amd64", capabilities).syscalls
 *     ?.some((rule) => rule.action === "SCMP_ACT_ALLOW" && rule.names.includes(name));
 *
 * assert(allows(["CAP_SYS_CHROOT"], "chroot"));
 * assert(!allows([], "chroot"));
 * ```
 */
export function defaultSeccompProfile(
  architecture: string,
  capabilities: readonly string[],
): SeccompProfile {
  const architectures = ARCHITECTURES.get(architecture);
  if (architectures === undefined) {
    throw explainedError(RangeError, {
      code: "invalid-argument",
      action: `create a seccomp profile for ${JSON.stringify(architecture)}`,
      subject: architecture,
      problem: `the supported architectures are ${[...ARCHITECTURES.keys()].join(", ")}`,
      advice: "Use a custom profile, or none",
      option: "seccomp",
    });
  }
  const held = new Set(capabilities);
  const opened = new Set(
    Object.entries(ALLOWED_WITH).flatMap(([name, calls]) => held.has(name) ? calls : []),
  );
  const closed = Object.values(ALLOWED_WITH).flat().filter((call) => !opened.has(call));
  const allowed = [...ALLOWED, ...ALLOWED_ON[architecture] ?? [], ...opened];
  const refused = [...REFUSED, ...closed.filter((call) => call !== "clone" && call !== "clone3")];
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    architectures: architectures.map((name) => `SCMP_ARCH_${name}`),
    syscalls: [
      allow(allowed),
      refuse(refused, EPERM),
      ...PERSONALITIES.map((value) => allow(["personality"], equals(0, value))),
      ...opened.has("clone") ? [] : [allow(["clone"], makesNoNamespace(architecture))],
      // Sockets to the hypervisor ignore namespaces.
      allow(["socket"], { index: 0, value: AF_VSOCK, op: "SCMP_CMP_NE" }),
      refuse(["socket"], EAFNOSUPPORT, equals(0, AF_VSOCK)),
    ],
  };
}

/**
 * Filters system calls with {@linkcode defaultSeccompProfile}, for the final capabilities.
 *
 * @param architecture Architecture of the host by its OCI name, such as `amd64`.
 * @returns The option.
 *
 * @example Apply the default filter of system calls
 * ```ts
 * import { newSpec, withDefaultSeccomp } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const { linux } = newSpec(withDefaultSeccomp("amd64"));
 *
 * assertEquals(linux.seccomp?.defaultAction, "SCMP_ACT_ERRNO");
 * ```
 */
export function withDefaultSeccomp(architecture: string): SpecOption {
  return (spec) => ({ ...spec, pending: { ...spec.pending, seccompArchitecture: architecture } });
}

/**
 * Filters system calls with a custom profile, or not at all.
 *
 * @param profile The profile; `undefined` means no filter.
 * @returns The option.
 *
 * @example Turn off the filter of system calls
 * ```ts
 * import { newSpec, withDefaultSeccomp, withSeccomp } from "@x/oci/spec";
 * import { assertEquals } from "@std/assert";
 *
 * const spec = newSpec(withDefaultSeccomp("amd64"), withSeccomp(undefined));
 *
 * assertEquals(spec.linux.seccomp, undefined);
 * ```
 */
export function withSeccomp(profile: SeccompProfile | undefined): SpecOption {
  return (spec) => {
    const { seccomp: _, ...linux } = spec.linux;
    const { seccompArchitecture: __, ...pending } = spec.pending;
    return { ...spec, linux: profile ? { ...linux, seccomp: profile } : linux, pending };
  };
}

/** Returns the condition for clone(2), whose flags are argument 0, or 1 on s390. */
function makesNoNamespace(architecture: string): SeccompArgument {
  const index = architecture === "s390x" ? 1 : 0;
  return { index, value: CLONE_NEW_FLAGS, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" };
}

function allow(calls: Iterable<string>, ...args: readonly SeccompArgument[]): SeccompRule {
  return { names: sorted(calls), action: "SCMP_ACT_ALLOW", ...conditions(args) };
}

function refuse(
  calls: Iterable<string>,
  errnoRet: number,
  ...args: readonly SeccompArgument[]
): SeccompRule {
  return { names: sorted(calls), action: "SCMP_ACT_ERRNO", errnoRet, ...conditions(args) };
}

function conditions(args: readonly SeccompArgument[]): Pick<SeccompRule, "args"> {
  return args.length === 0 ? {} : { args };
}

function equals(index: number, value: number): SeccompArgument {
  return { index, value, op: "SCMP_CMP_EQ" };
}

function sorted(calls: Iterable<string>): readonly string[] {
  return [...new Set(calls)].sort();
}
