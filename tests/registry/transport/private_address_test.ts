import { assertEquals } from "@std/assert";
import {
  isMetadataAddress,
  isPrivateAddress,
} from "../../../registry/transport/private_address.ts";

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
  "192.0.0.192",
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
])("isPrivateAddress() returns true for %s", (host) => {
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
])("isPrivateAddress() returns false for %s", (host) => {
  assertEquals(isPrivateAddress(new URL(`https://${host}/`)), false);
});

Deno.test.each([
  "169.254.169.254",
  "[fe80::a9fe:a9fe]",
  "100.100.100.200",
  "192.0.0.192",
  "168.63.129.16",
  "[fd00:ec2::254]",
  "[fd00:0ec2:0::0254]",
  "[fd00:ec2::23]",
  "[fd00:c1::a9fe:a9fe]",
  "[fd20:ce::254]",
  "[fd00:42::42]",
  "[::ffff:100.100.100.200]",
  "[64:ff9b::100.100.100.200]",
])("isMetadataAddress() returns true for %s", (host) => {
  assertEquals(isMetadataAddress(new URL(`https://${host}/`).hostname), true);
});

Deno.test.each([
  "100.100.100.201",
  "192.0.0.191",
  "[fd00:ec2::253]",
  "10.0.0.1",
  "127.0.0.1",
  "metadata.example.com",
])("isMetadataAddress() returns false for %s", (host) => {
  assertEquals(isMetadataAddress(new URL(`https://${host}/`).hostname), false);
});
