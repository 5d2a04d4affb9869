import { assertEquals } from "@std/assert";
import { ownCommand } from "../../../cli/demo/own_command.ts";

const START = {
  mainModule: "file:///srv/oci/mod.ts",
  isStandalone: false,
  execPath: "/usr/bin/deno",
  directory: "/srv/oci",
  version: "2.9.6",
};

Deno.test.each([
  { why: "from a checkout", start: {}, command: "deno run -A mod.ts" },
  {
    why: "from elsewhere",
    start: { directory: "/home" },
    command: "deno run -A /srv/oci/mod.ts",
  },
  {
    why: "from a directory with a space",
    start: { mainModule: "file:///srv/my%20oci/mod.ts", directory: undefined },
    command: "deno run -A '/srv/my oci/mod.ts'",
  },
  {
    why: "from a package registry",
    start: { mainModule: "https://packages.example/@x/oci/0.1.0/mod.ts" },
    command: "deno run -A jsr:@x/oci",
  },
  {
    why: "through npx",
    start: { execPath: "/home/ann/.npm/_npx/0123/node_modules/deno/deno" },
    command: "npx -y deno@2.9.6 run -A mod.ts",
  },
  {
    why: "as a compiled program",
    start: { isStandalone: true, execPath: "/usr/local/bin/oci" },
    command: "oci",
  },
  {
    why: "without permission to read",
    start: { execPath: undefined, directory: undefined },
    command: "deno run -A /srv/oci/mod.ts",
  },
])("ownCommand() names a command that works $why", ({ start, command }) => {
  assertEquals(ownCommand({ ...START, ...start }), command);
});
