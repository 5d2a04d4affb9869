import { type Mount, RUNTIME_SPEC_VERSION } from "../runtime/runtime_spec.ts";
import type { SpecDraft } from "../runtime/spec_option.ts";
import { DEFAULT_CAPABILITIES } from "./capabilities.ts";

const MOUNTS: readonly Mount[] = [
  mount("/proc", "proc", "nosuid,noexec,nodev"),
  mount("/dev", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
  // Group 5 is "tty" on every distribution.
  mount("/dev/pts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
  mount("/dev/shm", "tmpfs", "nosuid,noexec,nodev,mode=1777,size=65536k", "shm"),
  mount("/dev/mqueue", "mqueue", "nosuid,noexec,nodev"),
  mount("/sys", "sysfs", "nosuid,noexec,nodev,ro"),
  mount("/sys/fs/cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"),
];

function mount(destination: string, type: string, options: string, source: string = type): Mount {
  return { destination, type, source, options: options.split(",") };
}

/** Files that expose the host or can harm it. */
const MASKED_PATHS: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/devices/virtual/powercap",
  "/sys/firmware",
];

/** Files that configure the kernel. */
const READONLY_PATHS: readonly string[] = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];

/** Default configuration of a container. */
export const DEFAULT_SPEC: SpecDraft = {
  ociVersion: RUNTIME_SPEC_VERSION,
  root: { path: "rootfs", readonly: false },
  mounts: MOUNTS,
  process: {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ["sh"],
    env: [],
    cwd: "/",
    // Neither inheritable nor ambient, so that a program that drops root loses them (CVE-2022-24769).
    capabilities: {
      bounding: DEFAULT_CAPABILITIES,
      effective: DEFAULT_CAPABILITIES,
      permitted: DEFAULT_CAPABILITIES,
    },
    rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 1024 }],
    noNewPrivileges: true,
  },
  linux: {
    namespaces: [
      { type: "pid" },
      { type: "network" },
      { type: "ipc" },
      { type: "uts" },
      { type: "mount" },
      { type: "cgroup" },
    ],
    resources: { devices: [{ allow: false, access: "rwm" }] },
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
  },
  pending: { image: "the image", passwd: "", group: "", entrypoint: [] },
};
