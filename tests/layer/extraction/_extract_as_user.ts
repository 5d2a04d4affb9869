/**
 * `deno run -A _extract_as_user.ts UID ROOT OPTIONS LAYER…`: becomes an unprivileged user, extracts
 * layers and prints the report or the error. It starts as root to load its modules.
 */
import { applyLayers, type StackingExtractorOptions } from "../../../layer/mod.ts";
import { becomeUser } from "../../_support/become_user.ts";
import { fromLayers } from "../../_support/layer_source.ts";

const [uid = "", root = "", options = "{}", ...paths] = Deno.args;
const archives = await Promise.all(paths.map((path) => Deno.readFile(path)));
if (uid !== "") becomeUser(Number(uid));
const warnings: string[] = [];
let result: unknown;
try {
  result = await applyLayers(fromLayers(archives), root, {
    ...JSON.parse(options) as StackingExtractorOptions,
    onWarning: (message) => warnings.push(message),
  });
} catch (error) {
  result = {
    error: error instanceof Error ? { ...error, name: error.name, message: error.message } : error,
  };
}
await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ result, warnings })));
