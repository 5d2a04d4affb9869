import { assertEquals } from "@std/assert";
import { HostAddresses, isPermitted } from "../../../registry/transport/_host_addresses.ts";

Deno.test({
  name: "HostAddresses does not resolve a name that permissions allow on one port only",
  permissions: { net: ["localhost:443"] },
  async fn() {
    const { isUnknown, alternative } = await new HostAddresses().find("localhost");

    assertEquals([isUnknown, alternative], [true, undefined]);
  },
});

Deno.test({
  name: "HostAddresses resolves a name that permissions allow",
  permissions: { net: ["localhost"] },
  async fn() {
    const { isUnknown, isRefused } = await new HostAddresses().find("localhost");

    assertEquals([isUnknown, isRefused], [false, false]);
  },
});

Deno.test({
  name: "isPermitted() distinguishes addresses and ports",
  permissions: { net: ["[::1]:443", "127.0.0.1"] },
  fn() {
    const hosts = ["[::1]:443", "[::1]:80", "127.0.0.1:80", "localhost"];

    assertEquals(hosts.map(isPermitted), [true, false, true, false]);
  },
});
