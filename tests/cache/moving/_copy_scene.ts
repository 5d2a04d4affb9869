import type { RemoteClient } from "../../../registry/mod.ts";
import type { Descriptor } from "../../../spec/mod.ts";
import { buildArtifact, type Built } from "../../_support/image.ts";
import { INDEX } from "../../_support/two_platforms.ts";
import { type WritableRegistry, writableRegistry } from "../../_support/writable_registry.ts";
import { testClient } from "../../registry/_client.ts";
import { pushBuilt } from "./_pushed.ts";

/** A document that refers to the index. */
export const SIGNATURE: Built = buildArtifact({
  artifactType: "application/x.sig",
  subject: INDEX.descriptor,
});

/** Two registries; the first has an index for two platforms, and a signature of it. */
export interface CopyScene extends AsyncDisposable {
  readonly source: WritableRegistry;
  readonly target: WritableRegistry;
  readonly client: RemoteClient;
  /** The name of the index. */
  readonly from: string;
  /** A name in the target. */
  readonly to: string;
  /** Looks up a tag or a digest in the repository of the target. */
  has(reference: string): Promise<Descriptor | undefined>;
}

/** Starts both registries. */
export async function makeScene(): Promise<CopyScene> {
  await using stack = new AsyncDisposableStack();
  const source = stack.use(writableRegistry());
  const target = stack.use(writableRegistry({ allowSparseIndexes: true }));
  const client = stack.use(testClient());
  await pushBuilt(source, "a/b:v1", INDEX);
  await pushBuilt(source, "a/b:none", SIGNATURE);
  source.forget();
  const owned = stack.move();
  return {
    source,
    target,
    client,
    from: `${source.host}/a/b:v1`,
    to: `${target.host}/c/d:v2`,
    has: (reference) => target.content.resolve("c/d", reference),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
