import { formatSpec } from "../../spec/options/new_spec.ts";
import type { RuntimeSpec } from "../../spec/runtime/runtime_spec.ts";

/**
 * Writes a runtime configuration to a file. Replaces an existing file atomically, so that a runtime
 * reads either the old or the new configuration.
 *
 * @param path Path of the file, usually `BUNDLE/config.json`.
 * @param spec The configuration.
 *
 * @example Write a configuration
 * ```ts
 * import { newSpec, withArgs } from "@x/oci/spec";
 * import { writeSpec } from "@x/oci/store";
 * import { assertEquals } from "@std/assert";
 *
 * const directory = await Deno.makeTempDir();
 * await writeSpec(`${directory}/config.json`, newSpec(withArgs(["/bin/true"])));
 *
 * const written = JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
 * assertEquals(written.process.args, ["/bin/true"]);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export async function writeSpec(path: string, spec: RuntimeSpec): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(temporary, formatSpec(spec), { createNew: true });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {
      // It was not made, or has its final name; why the writing failed is the better error.
    });
    throw error;
  }
}
