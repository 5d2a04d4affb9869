/**
 * Runs each command line of a JSON array, its only argument, in this process. After each, writes
 * NUL to stdout, and NUL, the exit code and NUL to stderr.
 *
 * @module
 */
import { main } from "../../cli/main.ts";

for (const args of JSON.parse(Deno.args[0] ?? "[]")) {
  const code = await main(args);
  await Deno.stdout.write(Uint8Array.of(0));
  await Deno.stderr.write(new TextEncoder().encode(`\0${code}\0`));
}
