/** Runs the command line, and prints its peak memory in the last line of stderr. */
import { main } from "../../../cli/main.ts";

Deno.exitCode = await main(Deno.args);
const status = await Deno.readTextFile("/proc/self/status");
await Deno.stderr.write(new TextEncoder().encode(/VmHWM:\s*([0-9]+)/.exec(status)?.[1]));
