/** The command line, which says in the last line of standard error how much memory it took. */
import { main } from "../../../cli/main.ts";

Deno.exitCode = await main(Deno.args);
const status = await Deno.readTextFile("/proc/self/status");
await Deno.stderr.write(new TextEncoder().encode(/VmHWM:\s*([0-9]+)/.exec(status)?.[1]));
