import { pullArtifact, pushArtifact } from "../../../cache/moving/artifacts.ts";
import type { PulledArtifact } from "../../../cache/moving/moving_options.ts";
import { formatReference } from "../../../registry/reference.ts";
import type { Descriptor } from "../../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../../spec/image/image.ts";
import type { Manifest, ManifestDocument } from "../../../spec/image/manifest.ts";
import { isConfigMediaType } from "../../../spec/image/media_types.ts";
import { TITLE_ANNOTATION } from "../../../store/artifacts/artifact_content.ts";
import { writeArtifact } from "../../../store/artifacts/write_artifact.ts";
import type { ContentStore } from "../../../store/content/content_store.ts";
import { findHeld, type Held } from "../../../store/content/find_held.ts";
import { readArtifactFile } from "../../access/artifact_file.ts";
import { imageOptions, openClient, readAuth } from "../../access/client.ts";
import { locateImage, readSource, withoutAlias } from "../../access/references.ts";
import { openStore, storePath } from "../../access/store.ts";
import { TRANSFER_WORDS } from "../../access/transfer.ts";
import type { Command } from "../../frame/command.ts";
import { CommandError, UsageError } from "../../frame/errors.ts";
import { addRegistryOptions, type RegistryOptions } from "../../frame/options.ts";
import type { Session } from "../../frame/session.ts";

interface ArtifactOptions extends RegistryOptions {
  readonly type?: string | undefined;
  readonly annotation?: readonly (readonly [key: string, value: string])[] | undefined;
  readonly subject?: string | undefined;
}

export function define(command: Command): Command {
  const described = command
    .argument("<action>", "push or pull", { choices: ["push", "pull"] })
    .argument("<ref>", "the artifact")
    .argument("<path...>", "push: FILE or FILE:TYPE with a media type; pull: target directory")
    .usage("[options] push <ref> <file[:type]...> | pull <ref> <dir>")
    .option("--type <type>", "push: type of the artifact, such as application/spdx+json")
    .option("--annotation <key=value>", "push: annotation of the manifest (repeatable)", {
      repeatable: true,
      parse: parseAnnotation,
      nameOf: ([key]: readonly [key: string, value: string]) => key,
    })
    .option("--subject <ref>", "push: image that the artifact describes")
    .description(
      "Pushes files to a registry as an OCI artifact, one named layer for each file, and pulls them " +
        "into a directory, which no file name can escape. oras and other clients use the same format.",
    )
    .hint("-o --output", "Write the directory after the artifact")
    .trait("writes-repository");
  return addRegistryOptions(described, {
    features: ["policy", "mirror", "jobs", "connections", "progress"],
  }).notes(`
push prints the digest of the artifact; pull prints one file per line. With --subject, a <ref>
without a tag gets none: clients find the artifact through its subject.

Examples:
  oci artifact push --type application/spdx+json ghcr.io/owner/sbom:1 sbom.json
  oci artifact push --subject ghcr.io/owner/app:1 ghcr.io/owner/app sbom.json:text/spdx+json
  oci artifact pull ghcr.io/owner/model:1 ./model`);
}

export async function run(session: Session): Promise<void> {
  const [action = "", reference = "", ...paths] = session.operands;
  session.workOn(`${action} ${reference}`);
  if (action === "push") return await push(session, reference, paths);
  const { type, annotation, subject } = session.options<ArtifactOptions>();
  if (type !== undefined || annotation !== undefined || subject !== undefined) {
    throw new UsageError('"--type", "--annotation" and "--subject" are for "oci artifact push"');
  }
  const [directory = "", ...more] = paths;
  if (more.length > 0 || directory === "") {
    throw new UsageError("pull needs exactly one target directory", "Specify one");
  }
  await pull(session, reference, directory);
}

async function push(session: Session, text: string, paths: readonly string[]): Promise<void> {
  const { type, annotation, subject, jobs } = session.options<ArtifactOptions>();
  readSource(text);
  const about = subject === undefined ? undefined : readSource(subject);
  const auth = await readAuth(session);
  using client = await openClient(session);
  let descriptor: Descriptor;
  {
    await using progress = session.showProgress(TRANSFER_WORDS);
    ({ descriptor } = await pushArtifact(withoutAlias(text), paths.map(readArtifactFile), {
      artifactType: type,
      annotations: annotation && Object.fromEntries(annotation),
      subject: about,
      auth,
      client,
      jobs,
      store: storePath(session),
      signal: session.signal,
      onWarning: session.warn,
      onProgress: progress.report,
    }));
  }
  const { digest, mediaType, size } = descriptor;
  await session.print({ digest, mediaType, size }, [digest]);
}

async function pull(session: Session, text: string, directory: string): Promise<void> {
  const store = await openStore(session);
  using held = await pullHeld(session, text, store);
  const { reference, document } = held.found;
  const name = formatReference(reference);
  const manifest = checkArtifact(name, document.value);
  const { signal, warn: onWarning } = session;
  const files = await writeArtifact(store, manifest, directory, { signal, onWarning });
  await session.print(
    files.map(({ title, descriptor: { digest, mediaType, size } }) => {
      return { file: title, digest, mediaType, size };
    }),
    files.map(({ title }) => title),
  );
}

/** Pulls an artifact into the store, with progress. */
async function pullHeld(
  session: Session,
  text: string,
  store: ContentStore,
): Promise<Held<PulledArtifact>> {
  const source = await locateImage(session, text);
  const name = source.transport === "docker" ? formatReference(source.reference) : text;
  const { jobs } = session.options<ArtifactOptions>();
  using client = await openClient(session);
  await using progress = session.showProgress({ unit: "blob" });
  const options = {
    ...await imageOptions(session),
    client,
    jobs,
    store: store.path,
    onProgress: progress.report,
    // Refuse an image before its layers, which may have gigabytes, are fetched.
    onDocument: ({ value }: ImageDocument<ManifestDocument>) => {
      checkArtifact(name, value);
    },
  };
  return await findHeld(store, () => pullArtifact(source, options), {
    blobsOf: ({ document }) => [document.descriptor],
    signal: session.signal,
  });
}

/**
 * Returns the manifest of an artifact with file layers.
 *
 * @throws {CommandError} If it is something else.
 */
function checkArtifact(name: string, { kind, value }: ManifestDocument): Manifest {
  const refusal = (problem: string, remedy: string) => {
    return new CommandError(`cannot pull files from "${name}": ${problem}`, remedy, {
      subject: name,
    });
  };
  if (kind === "index") throw refusal("it is an index", "Specify a manifest by its digest");
  const { config, layers } = value;
  if (layers.some(({ annotations = {} }) => annotations[TITLE_ANNOTATION] !== undefined)) {
    return value;
  }
  if (isConfigMediaType(config.mediaType)) {
    throw refusal("it is a container image", 'Unpack it with "oci unpack"');
  }
  throw refusal("no layer has a file name", 'Copy it with "oci copy" to "oci:DIR"');
}

function parseAnnotation(text: string): readonly [key: string, value: string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new SyntaxError("it must be KEY=VALUE");
}
