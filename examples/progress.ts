// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Shows the progress of a pull and aborts it when it takes too long. The next run resumes.
 *
 *     deno run -A examples/progress.ts alpine:3.20 60
 */
import { pull } from "@x/oci";

const [reference = "alpine:3.20", seconds = "60"] = Deno.args;
const signal = AbortSignal.timeout(Number(seconds) * 1000);
try {
  const image = await pull(reference, {
    platform: "linux/amd64",
    signal,
    onProgress: ({ kind, phase, bytes, total }) => {
      if (kind === "total") console.log(`${phase}: ${bytes} of ${total} bytes`);
    },
  });
  console.log(image.digest);
} catch (error) {
  if (!signal.aborted) throw error;
  console.log(`stopped after ${seconds} s`);
  Deno.exitCode = 1;
}
