import { readMounts } from "../../../../layer/linux/mount_table.ts";
import { isRootlessNeeded, readRootlessMaps } from "../../../../store/mod.ts";
import { buildImage } from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import { writeLayout } from "../../../_support/peers.ts";
import type { ProcessResult } from "../../../_support/process.ts";
import { type TestFunction, testUnless } from "../../../_support/skip.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../../_support/temp.ts";

/** Runs a command line in the session of these tests. */
export const runOci: ReturnType<typeof ociSession> = ociSession();

/** Registers a test with a user other than root in the container. */
export const idsTest: TestFunction = testUnless(
  isRootlessNeeded() && (await readRootlessMaps()).uidMap.length < 2
    ? "no subordinate user ids"
    : undefined,
);

/** A layout with two images, and a store. */
export interface Place extends AsyncDisposable {
  /** An image that runs `/bin/app`. */
  readonly image: string;
  /** An image that runs nothing. */
  readonly empty: string;
  readonly directory: TempDir;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command line with the store. */
  oci(...args: readonly string[]): Promise<ProcessResult>;
}

/** Makes a layout with two images, and a store. */
export async function makePlace(): Promise<Place> {
  const directory = await makeTempDir();
  const layers = [tar(
    file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:7:8::/home/app:/bin/sh\n"),
    file("bin/app", "", { mode: 0o755 }),
  )];
  const layout = directory.join("layout");
  await writeLayout(layout, {
    app: buildImage({ layers, config: { Entrypoint: ["/bin/app"], Cmd: ["serve"], Env: ["A=1"] } }),
    empty: buildImage({ layers }),
  });
  const env = { OCI_STORE: directory.join("store"), SHARED: "from here" };
  return {
    image: `oci:${layout}:app`,
    empty: `oci:${layout}:empty`,
    directory,
    env,
    oci: (...args) => runOci(args, { env }),
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

/** Returns the targets of the mounts in the directory of a place. */
export function mountsIn({ directory }: Pick<Place, "directory">): readonly string[] {
  return readMounts().map(({ target }) => target).filter((target) =>
    target.startsWith(directory.path)
  );
}
