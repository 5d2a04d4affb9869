import { walk } from "@std/fs";
import { join, relative } from "@std/path";
import { digestHex, digestOf } from "../../spec/mod.ts";
import { rewriteImports } from "./imports.ts";
import { ROOT } from "./process.ts";

/** A package as JSR serves it. */
export interface JsrPackage {
  /** Such as `@x/oci`. */
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string>>;
  /** Contents by path; paths begin with a slash. */
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** A JSR registry on the loopback. */
export interface JsrRegistry extends AsyncDisposable {
  /** For the variable `JSR_URL`. */
  readonly url: string;
  /** The path of every request, and whether it was served. */
  readonly requests: readonly { readonly path: string; readonly status: number }[];
}

/** Serves packages as `jsr.io` does. */
export function jsrRegistry(packages: readonly JsrPackage[]): JsrRegistry {
  const files = new Map(packages.flatMap((item) => [...filesOf(item)]));
  const requests: { path: string; status: number }[] = [];
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    const body = files.get(path);
    requests.push({ path, status: body ? 200 : 404 });
    if (body === undefined) return new Response("not found", { status: 404 });
    const type = path.endsWith(".json") ? "application/json" : "application/typescript";
    return new Response(body, { headers: { "content-type": type } });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    requests,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

/** Yields the files of a package and its two JSR documents, by path of the URL. */
function* filesOf(item: JsrPackage): Iterable<[string, Uint8Array<ArrayBuffer>]> {
  const { name, version, exports, files } = item;
  const [scope = "", short] = name.slice(1).split("/");
  const json = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
  // Deno leaves out versions that are younger than a day.
  const versions = { [version]: { createdAt: "2020-01-01T00:00:00Z" } };
  yield [`/${name}/meta.json`, json({ scope, name: short, latest: version, versions })];
  const manifest = Object.fromEntries([...files].map(([path, bytes]) => [
    path,
    { size: bytes.length, checksum: `sha256-${digestHex(digestOf(bytes))}` },
  ]));
  yield [`/${name}/${version}_meta.json`, json({ manifest, exports })];
  for (const [path, bytes] of files) yield [`/${name}/${version}${path}`, bytes];
}

interface DenoConfig {
  readonly name: string;
  readonly version: string;
  readonly exports: string | Readonly<Record<string, string>>;
  readonly imports?: Readonly<Record<string, string>>;
  readonly links?: readonly string[];
  readonly publish?: { readonly include: readonly string[] } | false;
}

/** Returns this project as `deno publish` would upload it, without `links`. */
export async function projectPackage(): Promise<JsrPackage> {
  const { links: _, ...config } = await readConfig(ROOT);
  if (!config.publish) throw new Error("Cannot publish as deno.json forbids it");
  const included = config.publish.include.map(globRegExp);
  const files = await readPackage(ROOT, config, (path) => included.some((glob) => glob.test(path)));
  files.set("/deno.json", new TextEncoder().encode(JSON.stringify(config, null, 2)));
  return packageOf(config, files);
}

/** Returns the packages that stand in for the standard library. */
export async function standInPackages(): Promise<readonly JsrPackage[]> {
  const { links = [] } = await readConfig(ROOT);
  return await Promise.all(links.map(async (link) => {
    const dir = join(ROOT, link);
    const config = await readConfig(dir);
    return packageOf(config, await readPackage(dir, config, () => true));
  }));
}

function packageOf(config: DenoConfig, files: JsrPackage["files"]): JsrPackage {
  const { name, version, exports } = config;
  return {
    name,
    version,
    exports: typeof exports === "string" ? { ".": exports } : exports,
    files,
  };
}

async function readConfig(dir: string): Promise<DenoConfig> {
  return JSON.parse(await Deno.readTextFile(join(dir, "deno.json")));
}

async function readPackage(
  dir: string,
  { imports = {} }: DenoConfig,
  includes: (path: string) => boolean,
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const skip = [/[\\/](?:node_modules|\.git)$/];
  for await (const { path } of walk(dir, { includeDirs: false, skip })) {
    const name = relative(dir, path).replaceAll("\\", "/");
    if (!includes(name)) continue;
    const bytes = await Deno.readFile(path);
    const text = name.endsWith(".ts") ? new TextDecoder().decode(bytes) : undefined;
    files.set(
      `/${name}`,
      text === undefined ? bytes : new TextEncoder().encode(rewriteImports(text, imports)),
    );
  }
  return files;
}

/** The globs that `publish.include` uses: `*` within a segment, `**` for any segments. */
function globRegExp(glob: string): RegExp {
  const source = glob.split(/(\*\*\/|\*)/).map((part) =>
    part === "**/" ? "(?:[^/]+/)*" : part === "*" ? "[^/]*" : RegExp.escape(part)
  ).join("");
  return new RegExp(`^${source}$`);
}
