/**
 * Runs the command lines that arrive as lines of JSON over a connection to a port of the loopback,
 * the only argument. After each, writes its mark and a full stop to stdout, and its mark, the exit
 * code and a full stop to stderr.
 *
 * @module
 */
import { main } from "../../cli/main.ts";

/** A command line, its environment, and the text that marks the end of its output. */
export interface SessionCall {
  readonly mark: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

async function run({ mark, args, env, cwd }: SessionCall): Promise<void> {
  Deno.chdir(cwd);
  for (const name of Object.keys(Deno.env.toObject())) if (!(name in env)) Deno.env.delete(name);
  for (const [name, value] of Object.entries(env)) Deno.env.set(name, value);
  const code = await main(args);
  // Leave the directory, because it is removed next.
  Deno.chdir("/");
  await Deno.stdout.write(new TextEncoder().encode(`${mark}.`));
  await Deno.stderr.write(new TextEncoder().encode(`${mark}${code}.`));
}

const connection = await Deno.connect({ hostname: "127.0.0.1", port: Number(Deno.args[0]) });
let text = "";
for await (const chunk of connection.readable.pipeThrough(new TextDecoderStream())) {
  const lines = (text + chunk).split("\n");
  text = lines.pop() ?? "";
  for (const line of lines) await run(JSON.parse(line));
}
