import { type ReadRegistriesConf, readRegistriesConf } from "../../../registry/mod.ts";
import { makeTempDir, type TempDir } from "../../_support/temp.ts";
import type { Scene } from "../_client.ts";

/** A directory with the `hosts.toml` of a registry. */
export interface HostsDirectory extends AsyncDisposable {
  readonly dir: TempDir;
  /** Reads the file. */
  registries(): Promise<ReadRegistriesConf>;
}

/** Writes the `hosts.toml` of a registry. */
export async function hostsOf(registry: string, text: string): Promise<HostsDirectory> {
  const dir = await makeTempDir();
  await Deno.mkdir(dir.join(registry));
  await Deno.writeTextFile(dir.join(registry, "hosts.toml"), text);
  return {
    dir,
    registries: () => {
      return readRegistriesConf({
        env: () => undefined,
        directories: [],
        hostsDirectories: [dir.path],
        daemonFiles: [],
      });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

/** A table for a host. */
export function host({ registry }: Scene, settings = "", path = ""): string {
  return `[host."${registry.url}${path}"]\n${settings}\n`;
}

/** The paths of the requests to a scene, without the names of digests. */
export function paths({ registry }: Scene): readonly string[] {
  return registry.seen().map((line) => line.replace(/sha256:[0-9a-f]{64}/, "DIGEST"));
}
