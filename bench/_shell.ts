import { fromFileUrl } from "@std/path";

/** Runs a command line with bash, and returns what it prints. */
export async function shell(command: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", command],
    stdin: "null",
  }).output();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`Cannot run "${command}": it failed: ${new TextDecoder().decode(stderr)}`);
}

/** Start of a command line that runs `oci` from the checkout. */
export const OCI: string = `${Deno.execPath()} run -A ${
  fromFileUrl(new URL("../mod.ts", import.meta.url))
}`;
