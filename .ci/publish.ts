/**
 * `deno task publish`: publishes the package from a copy of the files in `publish.include`, without
 * the `links`, which replace packages of JSR in the checkout, and without the lock file, which
 * depends on them. `--dry-run` does everything but the upload, against a JSR registry on the
 * loopback.
 */
import { copy, ensureDir } from "@std/fs";
import { dirname, fromFileUrl, join } from "@std/path";
import { jsrRegistry, standInPackages } from "../tests/_support/jsr.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

interface Config {
  readonly publish: { readonly include: readonly string[] };
  readonly [member: string]: unknown;
}

if (import.meta.main) Deno.exitCode = await publish(Deno.args.includes("--dry-run"));

async function publish(dryRun: boolean): Promise<number> {
  const directory = await Deno.makeTempDir({ prefix: "oci-publish-" });
  try {
    await copyPackage(directory);
    return dryRun ? await rehearse(directory) : await runPublish(directory, [], {});
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function copyPackage(directory: string): Promise<void> {
  const config: Config = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  for (const pattern of config.publish.include) {
    const path = pattern.replace("/**/*.ts", "");
    await ensureDir(dirname(join(directory, path)));
    await copy(join(ROOT, path), join(directory, path), { overwrite: true });
  }
  const { links: _links, tasks: _tasks, ...published } = config;
  const text = JSON.stringify({ ...published, lock: false }, null, 2);
  await Deno.writeTextFile(join(directory, "deno.json"), `${text}\n`);
}

async function rehearse(directory: string): Promise<number> {
  await using registry = jsrRegistry(await standInPackages());
  return await runPublish(directory, ["--dry-run"], { JSR_URL: registry.url });
}

/** Runs `deno publish`. It cannot find uncommitted changes, because the copy is no git checkout. */
async function runPublish(
  cwd: string,
  flags: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<number> {
  const { code } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--allow-dirty", ...flags],
    cwd,
    env,
  }).spawn().status;
  return code;
}
