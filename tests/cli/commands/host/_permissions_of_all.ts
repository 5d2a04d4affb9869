/** Prints the permissions of each command that is given, a line for each. */
import { main } from "../../../../cli/main.ts";

for (const name of Deno.args) {
  const code = await main(["permissions", name]);
  if (code !== 0) Deno.exitCode = code;
}
