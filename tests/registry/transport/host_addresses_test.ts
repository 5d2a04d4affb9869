import { assertEquals } from "@std/assert";
import { isPermitted } from "../../../registry/transport/_host_addresses.ts";

Deno.test({
  name: "isPermitted() distinguishes addresses and ports",
  permissions: { net: ["[::1]:443", "127.0.0.1"] },
  fn() {
    const hosts = ["[::1]:443", "[::1]:80", "127.0.0.1:80", "localhost"];

    assertEquals(hosts.map(isPermitted), [true, false, true, false]);
  },
});
