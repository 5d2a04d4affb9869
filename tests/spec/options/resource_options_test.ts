import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { newSpec, withCPULimit, withMemoryLimit, withPidsLimit } from "../../../spec/mod.ts";

// Includes the smallest and the largest values of the kubelet.
Deno.test.each([
  { limit: "500m", shares: 512, quota: 50_000 },
  { limit: "0.5", shares: 512, quota: 50_000 },
  { limit: "1", shares: 1024, quota: 100_000 },
  { limit: "1.5", shares: 1536, quota: 150_000 },
  { limit: "2e0", shares: 2048, quota: 200_000 },
  { limit: "333m", shares: 340, quota: 33_300 },
  { limit: "10m", shares: 10, quota: 1000 },
  { limit: "1m", shares: 2, quota: 1000 },
  { limit: "1n", shares: 2, quota: 1000 },
  { limit: "256", shares: 262_144, quota: 25_600_000 },
  { limit: "1k", shares: 262_144, quota: 100_000_000 },
])("withCPULimit() sets shares and quota for $limit", ({ limit, shares, quota }) => {
  assertEquals(newSpec(withCPULimit(limit)).linux.resources?.cpu, {
    shares,
    quota,
    period: 100_000,
  });
});

Deno.test.each([
  { limit: "512Mi", bytes: 536_870_912 },
  { limit: "1G", bytes: 1_000_000_000 },
  { limit: "1.5Gi", bytes: 1_610_612_736 },
  { limit: "128974848", bytes: 128_974_848 },
  { limit: "1e3", bytes: 1000 },
  { limit: "100m", bytes: 1 },
])("withMemoryLimit() sets $bytes bytes for $limit", ({ limit, bytes }) => {
  const { resources } = newSpec(withMemoryLimit(limit), withPidsLimit(5)).linux;

  assertEquals(resources?.memory, { limit: bytes });
  assertEquals(resources?.pids, { limit: 5 });
});

Deno.test("withMemoryLimit() adds swap space", () => {
  const spec = newSpec(withMemoryLimit("1Ki", { swap: "1k" }));

  assertEquals(spec.linux.resources?.memory, { limit: 1024, swap: 2024 });
});

for (
  const [option, error, message] of [
    [() => withCPULimit("0"), RangeError, "above zero"],
    [() => withCPULimit("-1"), RangeError, "above zero"],
    [() => withCPULimit("1E"), RangeError, "more than"],
    [() => withCPULimit("x"), SyntaxError, "quantity"],
    [() => withMemoryLimit("0"), RangeError, "above zero"],
    [() => withMemoryLimit("8Pi"), RangeError, "more than"],
    [() => withMemoryLimit("1", { swap: "-1" }), RangeError, 'swap space to "-1": it must be >= 0'],
    [() => withPidsLimit(0), RangeError, "it is 0"],
    [() => withPidsLimit(1.5), RangeError, "it is 1.5"],
    [() => withPidsLimit(-2), RangeError, "it is -2"],
  ] as const
) {
  Deno.test(`resource options are checked: ${option}`, () => {
    assertThrows(option, error, message);
  });
}

Deno.test("withCPULimit() stays within the range of the kernel", () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (milli) => {
    const { shares = 0, quota = 0 } = newSpec(withCPULimit(`${milli}m`)).linux.resources?.cpu ??
      {};

    assertEquals(shares >= 2 && shares <= 262_144 && quota >= 1000, true);
    assertEquals(milli < 10 || quota === milli * 100, true);
  }));
});
