import { assertEquals, assertThrows } from "@std/assert";
import { parseUpstream } from "../../../cli/access/upstream.ts";

Deno.test.each([
  {
    text: "https://registry-1.docker.io",
    upstream: { registry: "docker.io", prefix: undefined, plainHttp: false },
  },
  {
    text: "https://registry-1.docker.io/v2/",
    upstream: { registry: "docker.io", prefix: undefined, plainHttp: false },
  },
  {
    text: "http://127.0.0.1:5000",
    upstream: { registry: "127.0.0.1:5000", prefix: undefined, plainHttp: true },
  },
  { text: "ghcr.io", upstream: { registry: "ghcr.io", prefix: undefined, plainHttp: undefined } },
  {
    text: "https://harbor.example.com/proxies/hub/",
    upstream: { registry: "harbor.example.com", prefix: "proxies/hub", plainHttp: false },
  },
])("parseUpstream() reads $text", ({ text, upstream }) => {
  assertEquals(parseUpstream(text), upstream);
});

Deno.test.each([
  { text: "" },
  { text: "registry" },
  { text: "ftp://ghcr.io" },
  { text: "https://ghcr.io/?a=b" },
  { text: "https://user:secret@ghcr.io" },
  { text: "https://ghcr.io/Upper" },
  { text: "https://ghcr.io:99999" },
])("parseUpstream() refuses $text", ({ text }) => {
  const error = assertThrows(() => parseUpstream(text), SyntaxError, "the URL of a registry");

  assertEquals(error.message.includes("secret"), false);
});
