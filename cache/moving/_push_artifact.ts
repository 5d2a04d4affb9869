import type { ImageLocation } from "../../registry/image_location.ts";
import type { Reference } from "../../registry/reference.ts";
import { ArtifactContent, type ArtifactFile } from "../../store/artifacts/artifact_content.ts";
import { copyBetween, endpointOptions, locationOf } from "./copy_locations.ts";
import type { CopiedImage, PushArtifactOptions } from "./moving_options.ts";
import { type EndpointOptions, openCopySource, openCopyTarget } from "./open_endpoints.ts";

/** Packs files and copies the artifact to its target. */
export async function packAndPush(
  target: Reference | ImageLocation | string,
  files: readonly ArtifactFile[],
  options: PushArtifactOptions,
): Promise<CopiedImage> {
  const { auth, dryRun, jobs, onProgress, onWarning, signal } = options;
  using stack = new DisposableStack();
  const endpoint = { ...endpointOptions(options, stack), auth };
  const to = targetOf(target, options);
  const subject = options.subject === undefined
    ? undefined
    : await resolveSubject(locationOf(options.subject), endpoint);
  const artifact = await ArtifactContent.pack(files, { ...options, subject });
  const source = {
    label: "the artifact",
    content: Object.assign(artifact, { resolve: () => Promise.resolve(undefined) }),
    root: () => Promise.resolve(artifact.root),
  };
  await using goal = await openCopyTarget(to, endpoint);
  return await copyBetween(source, goal, { dryRun, jobs, onProgress, onWarning, signal });
}

/**
 * Returns the location of the target. A repository without a tag means its tag `latest`, except for
 * an artifact with a subject: clients find it there, and `latest` is usually the subject itself.
 */
function targetOf(
  target: Reference | ImageLocation | string,
  { subject }: PushArtifactOptions,
): ImageLocation {
  const location = locationOf(target);
  const isWhole = typeof target !== "string" || /[:@][^/]*$/.test(target);
  if (subject === undefined || isWhole || location.transport !== "docker") return location;
  const { registry, repository } = location.reference;
  return { ...location, reference: { registry, repository } };
}

async function resolveSubject(location: ImageLocation, options: EndpointOptions) {
  await using source = await openCopySource(location, options);
  return await source.root({ signal: options.signal });
}
