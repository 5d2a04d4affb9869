import { isGranted } from "../../spec/granted.ts";
import { quoteForShell } from "../terminal/format.ts";

/** How this program was started. */
export interface OwnStart {
  readonly mainModule: string;
  readonly isStandalone: boolean;
  /** Path of the running program; `undefined` if it may not be read. */
  readonly execPath: string | undefined;
  /** The working directory; `undefined` if it may not be read. */
  readonly directory: string | undefined;
  /** Version of Deno. */
  readonly version: string;
}

/** Returns the command that starts this program again, as a user can type it. */
export function ownCommand(start: OwnStart = currentStart()): string {
  const { mainModule, isStandalone, execPath, version } = start;
  if (isStandalone) return execPath?.split(/[/\\]/).at(-1) ?? "oci";
  // With npx, there is no "deno" in the PATH.
  const deno = /[/\\]_npx[/\\]/.test(execPath ?? "") ? `npx -y deno@${version}` : "deno";
  return `${deno} run -A ${moduleName(start, mainModule)}`;
}

function currentStart(): OwnStart {
  const isReadable = isGranted({ name: "read" });
  return {
    mainModule: Deno.mainModule,
    isStandalone: Deno.build.standalone,
    execPath: isReadable ? Deno.execPath() : undefined,
    directory: isReadable ? Deno.cwd() : undefined,
    version: Deno.version.deno,
  };
}

/** Returns the shortest name of the main module: its package, or its path from here. */
function moduleName({ directory }: OwnStart, mainModule: string): string {
  const [, name] = /^https?:\/\/[^/]+\/(@[^/]+\/[^/]+)\/[^/]+\/mod\.ts$/.exec(mainModule) ?? [];
  if (name !== undefined) return `jsr:${name}`;
  if (!mainModule.startsWith("file:")) return mainModule;
  const path = decodeURIComponent(new URL(mainModule).pathname);
  const local = directory !== undefined && path.startsWith(`${directory}/`)
    ? path.slice(directory.length + 1)
    : path;
  return /[^\w./@:+-]/.test(local) ? quoteForShell(local) : local;
}
