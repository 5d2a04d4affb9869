import { assert, assertEquals, assertThrows } from "@std/assert";
import { parseMount } from "../../../cli/containers/_mount_option.ts";

Deno.test.each([
  { text: "/a:/b" },
  { text: "/a:/b:ro,z", options: ["rbind", "rprivate", "ro"] },
  { text: "/a:/b:Z" },
  { text: "/a:/b:rslave,cached", options: ["rbind", "rslave", "rw"] },
  { text: "./a:/b", source: `${Deno.cwd()}/a` },
  { text: "type=bind,src=/a,dst=/b,ro", options: ["rbind", "rprivate", "ro"] },
  { text: "source=/a,target=/b,readonly=false" },
  { text: 'type=bind,"src=/a, ""b"":c",dst=/b', source: '/a, "b":c' },
  { text: "source=/a=b,target=/b,ro=0", source: "/a=b" },
  {
    text: "source=/a,target=/b,bind-propagation=rslave,consistency=cached",
    options: ["rbind", "rslave", "rw"],
  },
])("parseMount() reads $text", ({ text, source = "/a", options = ["rbind", "rprivate", "rw"] }) => {
  assertEquals(parseMount(text), { type: "bind", destination: "/b", source, options });
});

Deno.test.each([
  { setting: "tmpfs-size=64k", option: "size=64k" },
  { setting: "tmpfs-size=50%", option: "size=50%" },
  { setting: "tmpfs-size=1Mi", option: "size=1048576" },
  { setting: "tmpfs-size=1.5Ki", option: "size=1536" },
  { setting: "tmpfs-mode=0700", option: "mode=0700" },
  { setting: "ro", option: "ro" },
])("parseMount() makes $option of $setting", ({ setting, option }) => {
  const { options = [] } = parseMount(`type=tmpfs,target=/b,${setting}`);

  assert(options.includes(option), options.join());
});

Deno.test.each([
  { text: "/a:b" },
  { text: ":/b" },
  { text: "/a:/b:rx" },
  { text: "/a:/b:ro:z" },
  { text: "/a:/b:ro,rw" },
  { text: "/a:/b:shared,slave" },
  { text: "/a:/b:" },
  { text: "data:/b" },
  { text: "type=nfs,target=/b" },
  { text: "target=/b" },
  { text: "source=/a" },
  { text: "source=/a,target=/b,uid=0" },
  { text: "source=/a,src=/c,target=/b" },
  { text: "source=/a,target=/b,readonly=maybe" },
  { text: "source=/a,target=/b,tmpfs-size=1m" },
  { text: "type=tmpfs,source=/a,target=/b" },
  { text: "source=/a,target=/b,bind-propagation=x" },
  { text: "type=volume,target=/b,bind-propagation=rslave" },
  { text: "type=constructor,target=/b" },
  { text: "type=tmpfs,target=/b,tmpfs-size=large" },
  { text: "type=tmpfs,target=/b,tmpfs-size=512m,exec" },
  { text: "type=tmpfs,target=/b,tmpfs-mode=9" },
  { text: "type=tmpfs,target=/" },
  { text: "/a:/./" },
  { text: 'source="/a,b",target=/b' },
  { text: "" },
])("parseMount() refuses $text", ({ text }) => {
  assertThrows(() => parseMount(text), SyntaxError);
});

Deno.test("parseMount() names an unknown setting", () => {
  const text = "source=/a,target=/b,constructor=x";

  assertThrows(() => parseMount(text), SyntaxError, 'unknown setting "constructor"');
});
