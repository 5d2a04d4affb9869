import { assertEquals } from "@std/assert";
import { cpuVariant } from "../../spec/mod.ts";

const V1 = "fpu vme de pse tsc msr pae sse sse2 syscall nx lm";
const V2 = `${V1} cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3`;
const V3 = `${V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave`;
const V4 = `${V3} avx512bw avx512cd avx512dq avx512f avx512vl`;

Deno.test.each([
  { name: "amd64 v1", cpuinfo: `processor\t: 0\nflags\t\t: ${V1}\n`, variant: "v1" },
  { name: "amd64 v2", cpuinfo: `flags\t\t: ${V2}\n`, variant: "v2" },
  { name: "amd64 v3", cpuinfo: `flags\t\t: ${V3}\n\nflags\t\t: ${V1}\n`, variant: "v3" },
  { name: "amd64 v4", cpuinfo: `flags\t\t: ${V4}\n`, variant: "v4" },
  { name: "amd64 with a gap", cpuinfo: `flags: ${V4.replace(" movbe", "")}\n`, variant: "v2" },
  { name: "amd64 without flags", cpuinfo: "", variant: "v1" },
  { name: "arm64 v8", cpuinfo: "Features\t: fp asimd sve\nCPU architecture: 8\n", variant: "v8" },
  { name: "arm64 v9", cpuinfo: "Features\t: fp asimd sve sve2\n", variant: "v9" },
  { name: "arm v8", cpuinfo: "CPU architecture: 8\n", variant: "v8" },
  { name: "arm AArch64", cpuinfo: "CPU architecture: AArch64\n", variant: "v8" },
  { name: "arm v7", cpuinfo: "model name\t: ARMv7 (v7l)\nCPU architecture: 7\n", variant: "v7" },
  {
    name: "arm of the first Raspberry Pi",
    cpuinfo: "model name\t: ARMv6-compatible processor rev 7 (v6l)\nCPU architecture: 7\n",
    variant: "v6",
  },
  { name: "arm v6", cpuinfo: "CPU architecture: 6TEJ\n", variant: "v6" },
  { name: "arm v5", cpuinfo: "CPU architecture: 5TE\n", variant: "v5" },
  { name: "arm unknown", cpuinfo: "CPU architecture: ?\n", variant: undefined },
  { name: "s390x", cpuinfo: "features\t: esan3\n", variant: undefined },
])("cpuVariant() detects $name", ({ name, cpuinfo, variant }) => {
  const [architecture = ""] = name.split(" ");

  assertEquals(cpuVariant(architecture, cpuinfo), variant);
});
