import { assertEquals } from "@std/assert";
import { isPrivateAddress } from "../../../registry/transport/private_address.ts";

Deno.test.each([
  "127.0.0.1",
  "127.1",
  "2130706433",
  "0x7f.0.0.1",
  "0.0.0.0",
  "10.1.2.3",
  "172.16.0.1",
  "172.31.255.255",
  "192.168.0.1",
  "169.254.169.254",
  "100.64.0.1",
  "localhost",
  "LOCALHOST",
  "localhost.",
  "a.localhost",
  "[::1]",
  "[::]",
  "[fe80::1]",
  "[fd12:3456::1]",
  "[::ffff:127.0.0.1]",
  "[::ffff:169.254.169.254]",
  "[64:ff9b::10.0.0.1]",
])("isPrivateAddress() knows %s", (host) => {
  assertEquals(isPrivateAddress(new URL(`https://${host}/`)), true);
});

Deno.test.each([
  "registry-1.docker.io",
  "8.8.8.8",
  "172.15.0.1",
  "172.32.0.1",
  "192.169.0.1",
  "100.128.0.1",
  "10.example.com",
  "localhost.example.com",
  "[2606:4700::1]",
  "[::ffff:8.8.8.8]",
])("isPrivateAddress() lets %s pass", (host) => {
  assertEquals(isPrivateAddress(new URL(`https://${host}/`)), false);
});
