import { type Digest, isDigest } from "../../spec/digest.ts";
import type { OpenContent } from "../../spec/image/content.ts";
import type { Descriptor } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import { parseManifest } from "../../spec/image/manifest.ts";
import { CATALOG_SCOPE, deleteScope, pushScope } from "../auth/scope.ts";
import type { Registries } from "../endpoints/registries.ts";
import type { ApiRequest, Registry } from "../endpoints/registry.ts";
import { NetworkError, RegistryError } from "../errors.ts";
import {
  formatReference,
  formatRepository,
  type Reference,
  type Repository,
} from "../reference.ts";
import type {
  FindTagOptions,
  PushBlobOptions,
  PushManifestOptions,
  RemoteOptions,
} from "../remote_client_options.ts";
import { BoundedMap } from "../transport/bounded_map.ts";
import type { HttpResponse } from "../transport/http_response.ts";
import { BlobUploader } from "../uploads/blob_uploader.ts";
import {
  beginUpload,
  readSession,
  type UploadContext,
  UPLOADS,
  type UploadSession,
} from "../uploads/upload_session.ts";
import { describeHead, ifFound, MANIFEST_ACCEPT, NO_HEAD } from "./_manifests.ts";

/** Statuses after which the blob is uploaded; 429 and 503 are temporary. */
const NO_MOUNT = Array.from({ length: 300 }, (_, i) => 300 + i)
  .filter((status) => status !== 429 && status !== 503);

/** Statuses of servers that do not have the content. */
const MISSING = [404, 410];

/** Statuses of servers that do not support a request, such as one for a digest by SHA-512. */
const UNSUPPORTED = [400, 405, 501];

/**
 * Statuses after which content is pushed: it is missing, or the registry rejects the request. The
 * push then shows why, unlike a response to `HEAD`, which has no body.
 */
const PUSHED_AFTER = [...MISSING, ...UNSUPPORTED, 403];

/**
 * Statuses of servers that reject `HEAD` of a blob. A storage server may accept nothing but `GET`,
 * and Amazon ECR Public answers 401 even with a token (distribution#4383).
 */
const NO_HEAD_OF_BLOB: readonly number[] = [...UNSUPPORTED, 401, 403];

/** Maximum number of repositories without `HEAD` of blobs to remember. */
const MAX_HEADLESS = 1_000;

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
  readonly #registries: Registries;
  /** Repositories whose registry rejects `HEAD` of blobs: with a token server, it costs the token. */
  readonly #headless = new BoundedMap<string, true>(MAX_HEADLESS);

  constructor(registries: Registries) {
    this.#registries = registries;
  }

  async hasBlob(
    repository: Repository,
    { digest }: Pick<Descriptor, "digest">,
    options: RemoteOptions,
  ): Promise<boolean> {
    return await this.#describeBlob(repository, digest, options, true) !== undefined;
  }

  async hasManifest(
    repository: Repository,
    { digest, mediaType }: Pick<Descriptor, "digest" | "mediaType">,
    options: RemoteOptions,
  ): Promise<boolean> {
    const action = `look for ${digest} in "${formatRepository(repository)}"`;
    const { registry, ...request } = this.#request(repository, action, digest, options);
    return await registry.call({
      ...request,
      method: "HEAD",
      path: `manifests/${digest}`,
      headers: { accept: mediaType },
      accept: PUSHED_AFTER,
    }, ({ status }) => status === 200);
  }

  async findBlob(
    repository: Repository,
    digest: Digest,
    options: RemoteOptions,
  ): Promise<Descriptor | undefined> {
    const { size } = await this.#describeBlob(repository, digest, options, false) ?? {};
    const mediaType = "application/octet-stream";
    return size === undefined ? undefined : { mediaType, digest, size };
  }

  /**
   * Looks for a blob by `HEAD`, or by `GET` of its first byte where that is rejected.
   *
   * @param isPushTarget Whether a push follows. The blob then also counts as missing if the registry
   * denies access, and one token permits both.
   * @returns `undefined` if it is missing.
   */
  async #describeBlob(
    repository: Repository,
    digest: Digest,
    options: RemoteOptions,
    isPushTarget: boolean,
  ): Promise<DescribedBlob | undefined> {
    const name = formatRepository(repository);
    const action = `look for ${digest} in "${name}"`;
    const use = { ...options, isPushTarget };
    const { registry, scope, ...reading } = this.#request(repository, action, digest, use);
    const path = `blobs/${digest}`;
    const request = { ...reading, path, scope: isPushTarget ? scope : undefined };
    if (!this.#headless.has(name)) {
      const accept = [...MISSING, ...NO_HEAD_OF_BLOB];
      const head = await registry.call({ ...request, method: "HEAD", accept }, (response) => {
        const blob = NO_HEAD_OF_BLOB.includes(response.status) ? null : blobIn(response);
        // A HEAD need not state the length (RFC 9110, section 8.6).
        return isPushTarget || blob === undefined || blob?.size !== undefined ? blob : null;
      });
      if (head !== null) return head;
    }
    return await registry.call({
      ...request,
      method: "GET",
      headers: { range: "bytes=0-0" },
      accept: [206, 416, ...isPushTarget ? PUSHED_AFTER : [...MISSING, ...UNSUPPORTED]],
    }, (response) => {
      // If GET is also rejected, the reason may be the digest rather than the method.
      if (!NO_HEAD_OF_BLOB.includes(response.status)) this.#headless.set(name, true);
      return blobIn(response);
    });
  }

  /** Resolves a tag by `HEAD`, or with `read` if the response is not conclusive. */
  async findTag(
    repository: Repository,
    tag: string,
    options: FindTagOptions,
    read: (registry: Registry) => Promise<Pick<ImageDocument<unknown>, "descriptor">>,
  ): Promise<Descriptor | undefined> {
    const subject = `${formatRepository(repository)}:${tag}`;
    const action = `look for the tag "${subject}"`;
    const { isPushTarget = false } = options;
    const use = { ...options, isPushTarget };
    const { registry, scope, ...request } = this.#request(repository, action, subject, use);
    const found = await registry.call<Descriptor | undefined | null>({
      ...request,
      scope: isPushTarget ? scope : undefined,
      method: "HEAD",
      path: `manifests/${tag}`,
      headers: { accept: MANIFEST_ACCEPT },
      accept: NO_HEAD,
    }, (response) => {
      const found = describeHead(response, { ...repository, tag });
      return response.status === 404 ? undefined : found ?? null;
    });
    return found === null ? (await ifFound(read(registry)))?.descriptor : found;
  }

  async pushBlob(
    repository: Repository,
    descriptor: Descriptor,
    open: OpenContent,
    options: PushBlobOptions,
  ): Promise<"mounted" | void> {
    const { onBytes, onRetry, mountFrom } = options;
    const { digest } = descriptor;
    const action = `push ${digest} to "${formatRepository(repository)}"`;
    const context: UploadContext = {
      ...this.#request(repository, action, digest, options),
      onBytes,
      onRetry,
      exists: () => this.hasBlob(repository, { digest }, options),
    };
    const isElsewhere = mountFrom !== undefined && mountFrom !== repository.repository;
    try {
      const mount = isElsewhere ? await this.#mount(digest, mountFrom, context) : undefined;
      if (mount === "mounted") return mount;
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
    const subject = formatReference(reference);
    const action = `push "${subject}"`;
    const { registry, ...request } = this.#request(reference, action, subject, options);
    const pushing = registry.call({
      ...request,
      method: "PUT",
      path,
      headers: { "content-type": mediaType },
      body: () => bytes,
      accept: [201, 202, 204],
      onRetry: options.onRetry,
    }, (response) => {
      const { headers } = response;
      const got = headers.get("docker-content-digest") ?? digest;
      if (isDigest(got) && got !== digest) {
        const { registry: name } = registry.endpoint;
        throw response.error(`${name} stored it as ${got}, not as ${digest}`);
      }
      return {
        isListedAsReferrer: headers.has("oci-subject"),
        tags: (headers.get("oci-tag") ?? "").split(",").map((name) => name.trim()),
      };
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
    const name = `${formatRepository(repository)}${isTag ? ":" : "@"}${tagOrDigest}`;
    const action = `delete "${name}"`;
    const { registry, ...common } = this.#request(repository, action, name, options);
    const request: ApiRequest = {
      ...common,
      scope: deleteScope(registry.fullName(repository.repository)),
      method: "DELETE",
      path: `manifests/${tagOrDigest}`,
      content: isTag
        ? { kind: "tag", name: `the tag "${tagOrDigest}"` }
        : { kind: "manifest", name: `the manifest ${tagOrDigest}` },
      accept: [202, 204],
    };
    try {
      await registry.call(request, () => {});
    } catch (error) {
      if (!isTag) throw error;
      const { tagDeletionError } = await import("./_tag_deletion_error.ts");
      throw await tagDeletionError(registry, request, error);
    }
  }

  async *repositories(registry: string, options: RemoteOptions): AsyncGenerator<string> {
    const place = { registry, repository: "" };
    const action = `list the repositories of "${registry}"`;
    const { registry: target, ...request } = this.#request(place, action, registry, options);
    const { listPages } = await import("./_list_pages.ts");
    yield* listPages(target, {
      ...request,
      scope: CATALOG_SCOPE,
      path: "_catalog",
      member: "repositories",
      content: { name: "a list of repositories" },
    });
  }

  /** Requests a mount from another repository. A registry without the blob begins an upload. */
  async #mount(
    digest: Digest,
    from: string,
    context: UploadContext,
  ): Promise<"mounted" | UploadSession | undefined> {
    const { registry, repository } = context;
    const source = registry.fullName(from);
    try {
      return await registry.call<"mounted" | UploadSession | undefined>({
        ...context,
        scope: pushScope(registry.fullName(repository), source),
        method: "POST",
        path: `${UPLOADS}?mount=${encodeURIComponent(digest)}&from=${encodeURIComponent(source)}`,
        accept: [201, 202, ...NO_MOUNT],
      }, (response) => {
        if (response.status === 201) return "mounted";
        if (response.status !== 202) return undefined;
        return readSession(response, undefined, registry);
      });
    } catch (error) {
      if (!(error instanceof RegistryError)) throw error;
      // The retries have been used. The registry may limit mounts only, so try to upload once.
      if (error.retryable) return await beginUpload(context, error.attempts);
      // For example, the token server refuses access to the other repository.
      return undefined;
    }
  }

  /** Returns the start of a request to the registry itself, because mirrors are read-only. */
  #request(
    repository: Repository,
    action: string,
    subject: string,
    options: FindTagOptions,
  ): Omit<UploadContext, "exists" | "onBytes" | "onRetry"> & { readonly scope: string } {
    const { isPushTarget = true } = options;
    // A file can have another host for uploads.
    const registry = isPushTarget
      ? this.#registries.target(repository, options)
      : this.#registries.origin(repository, options);
    return {
      registry,
      repository: repository.repository,
      scope: pushScope(registry.fullName(repository.repository)),
      task: { action, subject },
      signal: options.signal,
      onWarning: this.#registries.warner(options),
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

function blobIn({ status, headers }: HttpResponse): DescribedBlob | undefined {
  // An empty blob has no first byte.
  if (status === 416) return { size: 0 };
  if (status !== 200 && status !== 206) return undefined;
  const range = headers.get("content-range") ?? "";
  const length = status === 200 ? headers.get("content-length") ?? "" : range.split("/").at(-1);
  return { size: /^[0-9]{1,15}$/.test(length ?? "") ? Number(length) : undefined };
}
