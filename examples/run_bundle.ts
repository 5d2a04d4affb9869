// deno-lint-ignore-file no-console -- a script prints what it finds
/**
 * Runs a command of an image in a container and captures what it prints. It needs crun, runc or
 * youki.
 *
 *     deno run -A examples/run_bundle.ts alpine:3.20 cat /etc/os-release
 */
import { ContentStore, pull, storeDirectory } from "@x/oci";
import { withCommand, withRootless } from "@x/oci/spec";
import { isRootlessNeeded, openBundler, readRootlessMaps, runBundle } from "@x/oci/store";

const [reference = "alpine:3.20", ...command] = Deno.args;
const image = await pull(reference);
const bundler = await openBundler(await ContentStore.open(storeDirectory()));
const id = `example-${crypto.randomUUID()}`;
const rootless = isRootlessNeeded() ? [withRootless(await readRootlessMaps())] : [];
await using bundle = await bundler.bundle(image, id, withCommand(command), ...rootless);
const { code, stdout } = await runBundle(bundle, { id, stdout: "piped" });
console.log(`exit code ${code}: ${new TextDecoder().decode(stdout)}`);
