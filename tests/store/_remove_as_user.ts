/**
 * `deno run -A _remove_as_user.ts UID DIRECTORY`: makes something in the directory that an ordinary
 * user may not look into, and has that user remove it.
 */
import { openFileTree } from "../../layer/disk/open_tree.ts";
import { removeTree } from "../../store/host/remove_tree.ts";
import { becomeUser } from "../_support/become_user.ts";

const [uid, directory = ""] = Deno.args;
// Loaded before: the user may not be able to read it.
await import("../../layer/trees/remove_entry.ts");
becomeUser(Number(uid));
{
  using tree = openFileTree(directory);
  const made = ["made", "made/\udcff", "made/\udcff/closed"];
  for (const path of made) tree.makeDirectory(path);
  tree.createFile("made/\udcff/closed/file")?.[Symbol.dispose]();
  for (const path of made.reverse()) {
    using entry = tree.open(path);
    entry.setMode(0);
  }
}
await removeTree(`${directory}/made`);
