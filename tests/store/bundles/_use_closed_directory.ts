/**
 * `deno run -A _use_closed_directory.ts DIRECTORY`: reads a text in an inaccessible directory as an
 * ordinary user, creates a directory in it, and prints the text and the modes afterwards.
 *
 * @module
 */
import { openFileTree } from "../../../layer/disk/open_tree.ts";
import { RootFiles } from "../../../store/bundles/_root_files.ts";
import { becomeUser } from "../../_support/become_user.ts";

const [root = ""] = Deno.args;
if (Deno.uid() === 0) becomeUser(12345);
Deno.mkdirSync(`${root}/private/etc`, { recursive: true });
Deno.writeTextFileSync(`${root}/private/etc/passwd`, "text");
Deno.symlinkSync("private/etc", `${root}/etc`);
for (const name of ["private/etc/passwd", "private/etc", "private"]) {
  Deno.chmodSync(`${root}/${name}`, 0);
}

let text: string;
{
  using tree = openFileTree(root);
  const files = new RootFiles(tree);
  text = files.readText("/etc/passwd");
  if (files.mayBeDirectory("/etc/passwd")) throw new Error("Cannot tell a file from a directory");
  files.ensureVolumeDirectories(["/etc/data/deep"]);
}
const names = ["private", "private/etc", "private/etc/passwd", "private/etc/data/deep"];
const modes = names.map((name) => {
  const { mode } = Deno.lstatSync(`${root}/${name}`);
  Deno.chmodSync(`${root}/${name}`, 0o700);
  return (mode ?? 0) & 0o777;
});
Deno.stdout.writeSync(new TextEncoder().encode(JSON.stringify({ text, modes })));
