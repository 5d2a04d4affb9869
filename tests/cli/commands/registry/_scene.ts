import { hostPlatform } from "../../../../registry/mod.ts";
import { type Digest, formatPlatform } from "../../../../spec/mod.ts";
import {
  buildArtifact,
  buildImage,
  buildIndex,
  type Built,
  type BuiltImage,
} from "../../../_support/image.ts";
import { ociSession } from "../../../_support/oci_session.ts";
import type { ProcessResult } from "../../../_support/process.ts";
import { file, tar } from "../../../_support/tar.ts";
import { makeTempDir, type TempDir } from "../../../_support/temp.ts";
import {
  type WritableRegistry,
  writableRegistry,
  type WritableRegistryOptions,
} from "../../../_support/writable_registry.ts";
import { pushBuilt } from "../../../cache/moving/_pushed.ts";

/** Runs a command line in the session of these tests. */
export const runOci: ReturnType<typeof ociSession> = ociSession();

/** The platform of this machine. */
export const HOST: string = formatPlatform(hostPlatform());

const BASE = tar(file("base", "shared by both"));

/** An image for this machine. */
export const HERE: BuiltImage = buildImage({
  layers: [BASE, tar(file("bin", "here"))],
  platform: HOST,
});

/** An image for another machine. */
export const OTHER: BuiltImage = buildImage({
  layers: [BASE, tar(file("bin", "s390x"))],
  platform: "linux/s390x",
});

const ATTESTATION = {
  built: buildImage({ layers: [tar(file("attestation", "x"))] }),
  descriptor: {
    platform: { os: "unknown", architecture: "unknown" },
    annotations: {
      "vnd.docker.reference.type": "attestation-manifest",
      "vnd.docker.reference.digest": HERE.descriptor.digest,
    },
  },
};

/** An index of both, with an attestation. */
export const INDEX: Built = buildIndex([HERE, OTHER, ATTESTATION]);

const SIGNATURE = buildArtifact({ artifactType: "application/x.sig", subject: INDEX.descriptor });

/** A registry with an index `app:1`, a signature of it, and an image `app:2`; and a directory. */
export interface Scene extends AsyncDisposable {
  readonly registry: WritableRegistry;
  readonly directory: TempDir;
  /** The name of the repository. */
  readonly app: string;
  /** Runs a command line with a store in the directory. */
  oci(...args: readonly string[]): Promise<ProcessResult>;
  /** Returns the digest that a tag in the registry names. */
  digest(name: string, tag: string): Promise<Digest | undefined>;
}

/** Starts the registry. */
export async function makeScene(options: WritableRegistryOptions = {}): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const registry = stack.use(writableRegistry({ allowSparseIndexes: true, ...options }));
  const directory = stack.use(await makeTempDir());
  await pushBuilt(registry, "app:1", INDEX);
  await pushBuilt(registry, "app:2", HERE);
  await pushBuilt(registry, "app:none", SIGNATURE);
  registry.forget();
  const owned = stack.move();
  const env = { OCI_STORE: directory.join("store") };
  return {
    registry,
    directory,
    app: `${registry.host}/app`,
    oci: (...args) => runOci(args, { env }),
    digest: async (name, tag) => (await registry.content.resolve(name, tag))?.digest,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
