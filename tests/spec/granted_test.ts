import { assertEquals } from "@std/assert";
import { isGranted } from "../../spec/granted.ts";

Deno.test({
  name: "isGranted() distinguishes addresses and ports",
  permissions: { net: ["[::1]:443", "127.0.0.1"] },
  fn() {
    const hosts = ["[::1]:443", "[::1]:80", "127.0.0.1:80", "localhost"];

    assertEquals(hosts.map((host) => isGranted({ name: "net", host })), [true, false, true, false]);
  },
});
