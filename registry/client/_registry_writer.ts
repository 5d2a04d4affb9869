import type { Digest } from "../../spec/digest.ts";
import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import { parseManifest } from "../../spec/image/manifest.ts";
import { CATALOG_SCOPE, deleteScope, pushScope } from "../auth/scope.ts";
import { NetworkError, RegistryError, type RequestTask } from "../errors.ts";
import { formatReference, type Reference, type Repository } from "../reference.ts";
import type {
  FindTagOptions,
  PushBlobOptions,
  PushManifestOptions,
  RemoteOptions,
} from "../remote_client_options.ts";
import type { Answer } from "../transport/answer.ts";
import { redactUrl } from "../transport/redact.ts";
import type { Connections } from "./_connections.ts";
import { describeHead, MANIFEST_ACCEPT, NO_HEAD } from "./_manifests.ts";
import { type ApiRequest, nameOf, type Registry } from "./_registry.ts";
import { BlobUploader } from "./_upload.ts";
import { readUploadState, type UploadContext, UPLOADS, type UploadState } from "./_upload_state.ts";

/** Statuses after which the blob is uploaded; 429 and 503 are temporary. */
const NO_MOUNT = Array.from({ length: 300 }, (_, i) => 300 + i)
  .filter((status) => status !== 429 && status !== 503);

/** Statuses of registries that delete manifests by digest only. */
const NO_TAG_DELETE = new Set([400, 405, 501]);

/** Statuses of servers that do not have the content. */
const MISSING = [404, 410];

/** Statuses of servers that do not support a request, such as one for a digest by SHA-512. */
const UNSUPPORTED = [400, 405, 501];

/** Statuses of servers that reject `HEAD`; a storage server may accept nothing but `GET`. */
const NO_HEAD_OF_BLOB = [...UNSUPPORTED, 403];

/**
 * Statuses after which content is pushed: it is missing, or the registry rejects the request. The
 * push then shows why, unlike a response to `HEAD`, which has no body.
 */
const NOT_THERE_TO_PUSH = [...MISSING, ...NO_HEAD_OF_BLOB];

const CREATION_ADVICE = "Check that the repository exists; not every registry creates it";

const FOREIGN_ADVICE = "Ask its operator to allow layers that have URLs of other servers";

/** Result of pushing a manifest. */
interface PushedManifest {
  /** Whether the registry adds it to the referrers of its subject. */
  readonly isListedAsReferrer: boolean;
}

/**
 * Operations of {@linkcode RemoteClient} on the registry itself, never on a mirror: writes, and
 * lookups for them. Loaded on first use.
 */
export class RegistryWriter {
  readonly #connections: Connections;
  readonly #warner: (options: RemoteOptions) => ((message: string) => void) | undefined;

  constructor(
    connections: Connections,
    warner: (options: RemoteOptions) => ((message: string) => void) | undefined,
  ) {
    this.#connections = connections;
    this.#warner = warner;
  }

  async hasBlob(
    repository: Repository,
    { digest }: Pick<Descriptor, "digest">,
    options: RemoteOptions,
  ): Promise<boolean> {
    const task = { action: `look for ${digest} in "${nameOf(repository)}"`, subject: digest };
    const request = this.#request(repository, task, options);
    const registry = this.#registry(repository, options);
    return await describeBlob(registry, request, digest, NOT_THERE_TO_PUSH) !== undefined;
  }

  async hasManifest(
    repository: Repository,
    { digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">,
    options: RemoteOptions,
  ): Promise<boolean> {
    const task = { action: `look for ${digest} in "${nameOf(repository)}"`, subject: digest };
    return await this.#registry(repository, options).call({
      ...this.#request(repository, task, options),
      method: "HEAD",
      path: `manifests/${digest}`,
      headers: { accept: mediaType },
      accept: NOT_THERE_TO_PUSH,
    }, ({ status }) => Promise.resolve(status === 200));
  }

  /** Looks for a blob with permission to pull only. */
  async findBlob(
    repository: Repository,
    digest: Digest,
    options: RemoteOptions,
  ): Promise<Descriptor | undefined> {
    const task = { action: `look for ${digest} in "${nameOf(repository)}"`, subject: digest };
    const { scope: _push, ...request } = this.#request(repository, task, options);
    const registry = this.#registry(repository, options);
    const found = await describeBlob(registry, request, digest, [...MISSING, ...UNSUPPORTED]);
    const { size } = found ?? {};
    const mediaType = "application/octet-stream";
    return size === undefined ? undefined : { mediaType, digest, size };
  }

  /** Resolves a tag by `HEAD`; `null` if the response is not conclusive. */
  async findTag(
    repository: Repository,
    tag: string,
    options: FindTagOptions,
  ): Promise<Descriptor | undefined | null> {
    const subject = `${nameOf(repository)}:${tag}`;
    const task = { action: `look for the tag "${subject}"`, subject };
    const { scope, ...request } = this.#request(repository, task, options);
    return await this.#registry(repository, options).call<Descriptor | undefined | null>({
      ...request,
      scope: options.isPushTarget ? scope : undefined,
      method: "HEAD",
      path: `manifests/${tag}`,
      headers: { accept: MANIFEST_ACCEPT },
      accept: NO_HEAD,
    }, (answer) => {
      const found = describeHead(answer, { ...repository, tag });
      return Promise.resolve(answer.status === 404 ? undefined : found ?? null);
    });
  }

  async pushBlob(
    repository: Repository,
    descriptor: Descriptor,
    open: OpenContent,
    options: PushBlobOptions,
  ): Promise<"mounted" | void> {
    const { onBytes, onRetry, mountFrom } = options;
    const { digest } = descriptor;
    const registry = this.#registry(repository, options);
    const context: UploadContext = {
      ...this.#request(repository, {
        action: `push ${digest} to "${nameOf(repository)}"`,
        subject: digest,
      }, options),
      registry,
      onBytes,
      onRetry,
      exists: () => this.hasBlob(repository, { digest }, options),
    };
    const isElsewhere = mountFrom !== undefined && mountFrom !== repository.repository;
    const mount = isElsewhere ? await this.#mount(digest, mountFrom, context) : undefined;
    if (mount === "mounted") return mount;
    try {
      await new BlobUploader(descriptor, open, context, mount).run();
    } catch (error) {
      throw isDisconnect(error)
        ? new NetworkError(error.problem, { ...error, advice: CREATION_ADVICE }, { cause: error })
        : error;
    }
  }

  async pushManifest(
    reference: Reference,
    descriptor: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    options: PushManifestOptions,
  ): Promise<PushedManifest> {
    const { digest } = descriptor;
    const { tag } = reference;
    // Registries store a document that is pushed by tag under its sha256 digest.
    if (tag === undefined || digest.startsWith("sha256:")) {
      const path = `manifests/${tag ?? reference.digest ?? digest}`;
      return await this.#putManifest(reference, path, descriptor, bytes, options);
    }
    const path = `manifests/${digest}?tag=${encodeURIComponent(tag)}`;
    const byDigest = await this.#putManifest(reference, path, descriptor, bytes, options);
    if (byDigest.tags.includes(tag)) return byDigest;
    return await this.#putManifest(reference, `manifests/${tag}`, descriptor, bytes, options);
  }

  async #putManifest(
    reference: Reference,
    path: string,
    { digest, mediaType }: Descriptor,
    bytes: Uint8Array<ArrayBuffer>,
    options: PushManifestOptions,
  ): Promise<PushedManifest & { readonly tags: readonly string[] }> {
    const registry = this.#registry(reference, options);
    const subject = formatReference(reference);
    const task = { action: `push "${subject}"`, subject };
    const pushing = registry.call({
      ...this.#request(reference, task, options),
      method: "PUT",
      path,
      headers: { "content-type": mediaType },
      body: () => bytes,
      accept: [201, 202, 204],
      onRetry: options.onRetry,
    }, ({ headers, status, url }) => {
      const got = headers.get("docker-content-digest") ?? digest;
      if (got !== digest) {
        throw new RegistryError(
          `${registry.endpoint.registry} stored it as ${got}, not as ${digest}`,
          { ...task, status, url: redactUrl(url) },
        );
      }
      return Promise.resolve({
        isListedAsReferrer: headers.has("oci-subject"),
        tags: (headers.get("oci-tag") ?? "").split(",").map((name) => name.trim()),
      });
    });
    try {
      return await pushing;
    } catch (error) {
      if (!isRejected(error)) throw error;
      const advice = hasForeignLayers(bytes, mediaType) ? FOREIGN_ADVICE : error.advice;
      const fields = { ...error, advice, retryable: false };
      throw new RegistryError(error.problem, fields, { cause: error });
    }
  }

  async deleteManifest(
    repository: Repository,
    tagOrDigest: string,
    options: RemoteOptions,
  ): Promise<void> {
    const isTag = !tagOrDigest.includes(":");
    const name = `${nameOf(repository)}${isTag ? ":" : "@"}${tagOrDigest}`;
    const registry = this.#registry(repository, options);
    const task = { action: `delete "${name}"`, subject: name };
    try {
      await registry.call({
        ...this.#request(repository, task, options),
        scope: deleteScope(registry.fullName(repository.repository)),
        method: "DELETE",
        path: `manifests/${tagOrDigest}`,
        accept: [202, 204],
      }, () => Promise.resolve());
    } catch (error) {
      if (!isTag || !(error instanceof RegistryError) || !NO_TAG_DELETE.has(error.status)) {
        throw error;
      }
      const { describeAnswer } = await import("../transport/registry_error.ts");
      // The manifest may have other tags, so do not delete it instead of the tag.
      throw new RegistryError(
        `${registry.endpoint.registry} cannot delete tags (${describeAnswer(error)})`,
        {
          ...error,
          code: "tag-deletion",
          advice: "Delete the manifest by its digest, which deletes all of its tags",
        },
        { cause: error },
      );
    }
  }

  async *repositories(registry: string, options: RemoteOptions): AsyncGenerator<string> {
    const place = { registry, repository: "" };
    const { listPages } = await import("./_list_pages.ts");
    yield* listPages(this.#registry(place, options), {
      ...this.#request(
        place,
        { action: `list the repositories of "${registry}"`, subject: registry },
        options,
      ),
      scope: CATALOG_SCOPE,
      path: "_catalog",
      member: "repositories",
    });
  }

  /** Requests a mount from another repository. A registry without the blob begins an upload. */
  async #mount(
    digest: Digest,
    from: string,
    context: UploadContext,
  ): Promise<"mounted" | UploadState | undefined> {
    const { registry, repository, task, signal, onWarning } = context;
    const request: ApiRequest = {
      repository,
      task,
      signal,
      onWarning,
      scope: pushScope(registry.fullName(repository), registry.fullName(from)),
      method: "POST",
      path: `blobs/uploads/?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(from)}`,
      accept: [201, 202, ...NO_MOUNT],
    };
    const allowPrivate = registry.endpoint.isPrivate;
    try {
      return await registry.call<"mounted" | UploadState | undefined>(request, (answer) => {
        if (answer.status === 201) return Promise.resolve("mounted");
        if (answer.status !== 202) return Promise.resolve(undefined);
        return Promise.resolve(readUploadState(answer, undefined, { task, allowPrivate }));
      });
    } catch (error) {
      // For example, the token server refuses access to the other repository.
      if (error instanceof RegistryError) return undefined;
      throw error;
    }
  }

  /** Returns the registry itself, because mirrors are read-only. */
  #registry(repository: Repository, options: RemoteOptions): Registry {
    return this.#connections.target(repository, options);
  }

  #request(
    repository: Repository,
    task: RequestTask,
    options: RemoteOptions,
  ): Pick<ApiRequest, "repository" | "signal" | "onWarning" | "task"> & { scope: string } {
    const registry = this.#registry(repository, options);
    return {
      repository: repository.repository,
      scope: pushScope(registry.fullName(repository.repository)),
      task,
      signal: options.signal,
      onWarning: this.#warner(options),
    };
  }
}

/**
 * Returns whether a registry disconnects instead of beginning an upload, as Amazon ECR does if there
 * is no such repository (containers-roadmap#1970).
 */
function isDisconnect(error: unknown): error is NetworkError {
  return error instanceof NetworkError && error.reason === "cut" &&
    URL.parse(error.url)?.pathname.endsWith(`/${UPLOADS}`) === true;
}

/** Returns whether a registry rejects a manifest for its content. */
function isRejected(error: unknown): error is RegistryError {
  return error instanceof RegistryError && (error.registryCode ?? "").startsWith("MANIFEST_");
}

/** Returns whether a manifest has layers with URLs of other servers. */
function hasForeignLayers(bytes: Uint8Array<ArrayBuffer>, mediaType: string): boolean {
  try {
    const document = parseManifest(bytes, mediaType, Infinity);
    return document.kind === "manifest" &&
      document.value.layers.some(({ urls = [] }) => urls.length > 0);
  } catch {
    // The registry has rejected it for another reason.
    return false;
  }
}

/** A blob of a registry, with its size if the registry reports it. */
interface DescribedBlob {
  readonly size: number | undefined;
}

/**
 * Looks for a blob by `HEAD`, or by `GET` of its first byte where that is rejected.
 *
 * @param absent Statuses of responses to `GET` after which the blob counts as missing.
 * @returns `undefined` if it is missing.
 */
async function describeBlob(
  registry: Registry,
  request: Omit<ApiRequest, "method" | "path">,
  digest: Digest,
  absent: readonly number[],
): Promise<DescribedBlob | undefined> {
  const path = `blobs/${digest}`;
  // Amazon ECR Public rejects even an authorized HEAD with 401 (distribution#4383).
  const noHead = [...NO_HEAD_OF_BLOB, 401];
  const accept = [...MISSING, ...noHead];
  const head = await registry.call({ ...request, path, method: "HEAD", accept }, (answer) => {
    return Promise.resolve(noHead.includes(answer.status) ? null : blobIn(answer));
  });
  if (head !== null) return head;
  return await registry.call({
    ...request,
    path,
    method: "GET",
    headers: { range: "bytes=0-0" },
    accept: [206, 416, ...absent],
  }, (answer) => Promise.resolve(blobIn(answer)));
}

function blobIn({ status, headers }: Answer): DescribedBlob | undefined {
  // An empty blob has no first byte.
  if (status === 416) return { size: 0 };
  if (status !== 200 && status !== 206) return undefined;
  const range = headers.get("content-range") ?? "";
  const length = status === 200 ? headers.get("content-length") ?? "" : range.split("/").at(-1);
  return { size: /^[0-9]{1,15}$/.test(length ?? "") ? Number(length) : undefined };
}
