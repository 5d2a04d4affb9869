import { join } from "@std/path";
import { TextLineStream } from "@std/streams";
import { denoEnvironment, ROOT, withModules } from "./process.ts";

/** A registry that `oci serve` runs in a separate process. */
export interface Served {
  /** First line of its output. */
  readonly line: string;
  /** Its address, such as `http://127.0.0.1:5000`. */
  readonly url: string;
  /** The next lines that it prints. */
  rest(count: number): Promise<string>;
  /** Sends a signal and waits for the end. */
  stop(signal: Deno.Signal): Promise<{ readonly code: number; readonly stderr: string }>;
}

/** Runs `oci serve` on a free port of the loopback. */
export async function serve(
  store: string,
  options: readonly string[] = [],
  permissions: readonly string[] = ["-A"],
): Promise<Served> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--quiet", ...withModules(permissions), join(ROOT, "mod.ts")]
      .concat("serve", options.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"], options),
    clearEnv: true,
    env: { OCI_STORE: store, ...await denoEnvironment() },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stderr = new Response(child.stderr).text();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
  const reader = lines.getReader();
  const { value = "" } = await reader.read();
  return {
    line: value,
    url: value.replace("listening on ", ""),
    rest: async (count) => {
      let text = "";
      for (let i = 0; i < count; i++) text += (await reader.read()).value ?? "";
      return text;
    },
    stop: async (signal) => {
      child.kill(signal);
      while (!(await reader.read()).done);
      return { code: (await child.status).code, stderr: await stderr };
    },
  };
}
