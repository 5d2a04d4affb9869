import { RegistryError } from "../../registry/errors.ts";
import { Semaphore } from "../../registry/tasks/semaphore.ts";
import { TaskGroup } from "../../registry/tasks/task_group.ts";
import type { Digest } from "../../spec/digest.ts";
import { LimitError, OciError } from "../../spec/errors.ts";
import { childrenOf } from "../../spec/image/children.ts";
import type {
  ContentSource,
  ContentTarget,
  NamedTarget,
  OpenContent,
} from "../../spec/image/content.ts";
import { type Descriptor, embeddedData, isForeignLayer } from "../../spec/image/descriptor.ts";
import type { ImageDocument } from "../../spec/image/image.ts";
import {
  type ManifestDocument,
  MAX_INDEX_DEPTH,
  MAX_MANIFEST_BYTES,
  parseManifest,
} from "../../spec/image/manifest.ts";
import { isDocumentMediaType, isManifestMediaType } from "../../spec/image/media_types.ts";
import { openBytes, readBytes } from "../../spec/image/read_bytes.ts";
import { quote } from "../../spec/json.ts";
import { boundByFiles } from "../host/file_limit.ts";
import { rewriteDocument } from "./_rewrite_document.ts";
import type { CopyGraphOptions, CopyNode, CopyProgress, Replacement } from "./copy_options.ts";

interface RootName {
  readonly name: string;
  readonly target: NamedTarget;
  /** The document that has the name, if it has been looked up already. */
  readonly current?: Promise<Descriptor | undefined> | undefined;
}

/** One copy of one graph. */
export class GraphCopy {
  readonly #source: ContentSource;
  readonly #target: ContentTarget;
  readonly #options: CopyGraphOptions;
  readonly #jobs: number;
  readonly #permits: Semaphore;
  readonly #tasks: TaskGroup;
  /** All documents so far, so that each is copied once. */
  readonly #documents = new Map<Digest, Promise<Descriptor>>();
  /** All blobs so far. They may be documents that another document lists as a blob. */
  readonly #blobs = new Map<Digest, Promise<Descriptor>>();
  /** Functions that send content although the target claims to have it, each at most once. */
  readonly #claims = new Map<Digest, () => Promise<unknown>>();
  /** The root, once it has been read. */
  #root: ImageDocument<ManifestDocument> | undefined;
  /** Documents that the target has and whose referrers have not been looked up yet. */
  readonly #subjects: { readonly descriptor: Descriptor; readonly depth: number }[] = [];

  constructor(source: ContentSource, target: ContentTarget, options: CopyGraphOptions) {
    const { jobs, signal } = options;
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#jobs = boundByFiles(jobs);
    this.#permits = new Semaphore(this.#jobs);
    this.#tasks = new TaskGroup(signal);
  }

  /** Copies a document and everything that it references, and then names it. */
  async copy(
    root: Descriptor,
    named?: RootName,
    beforeName?: () => Promise<void>,
  ): Promise<Descriptor> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    assertDocument(root);
    const current = await (named?.current ?? named?.target.resolve(named.name, { signal }));
    // The name comes after the referrers, so with referrers the root is first stored without it.
    const early = this.#options.withReferrers ? undefined : named;
    let isNamed = false;
    const stored = await this.#node(root, 0, {
      isThere: current?.digest === root.digest ? true : undefined,
      isLikelyNew: named !== undefined && current === undefined,
      push: async (descriptor, open, progress) => {
        if (early?.target.pushAs === undefined) {
          return await this.#target.push(descriptor, open, progress);
        }
        await early.target.pushAs(early.name, descriptor, open, progress);
        isNamed = true;
      },
    });
    await this.#copyReferrers();
    await beforeName?.();
    isNamed ||= current?.digest === stored.digest;
    if (named !== undefined && !isNamed) {
      const bytes = this.#root?.bytes;
      const openRoot: OpenContent = bytes
        ? openBytes(bytes)
        : (options) => this.#open(root, options);
      // If a hook has replaced the root, the source does not have its bytes.
      const open = stored.digest === root.digest ? openRoot : undefined;
      await this.#withParts([root.digest], () => {
        return named.target.tag(named.name, stored, { signal, open });
      });
    }
    return stored;
  }

  /** Copies a node once, even if it occurs several times. */
  #node(descriptor: Descriptor, depth: number, root?: RootHandling): Promise<Descriptor> {
    const isDocument = isDocumentMediaType(descriptor.mediaType);
    const nodes = isDocument ? this.#documents : this.#blobs;
    const known = nodes.get(descriptor.digest);
    if (known !== undefined) return known;
    this.#report(descriptor, "found", 0);
    const copied = isDocument
      ? this.#document(descriptor, depth, root)
      : this.#permits.run(() => this.#blob(descriptor), this.#tasks.signal);
    nodes.set(descriptor.digest, copied);
    // Callers handle the failure, but there may be none.
    copied.catch(() => {});
    return copied;
  }

  async #blob(descriptor: Descriptor): Promise<Descriptor> {
    const node = { descriptor, document: undefined, copied: new Map() };
    return await this.#store(node, (options) => this.#open(descriptor, options));
  }

  async #document(
    descriptor: Descriptor,
    depth: number,
    root: RootHandling | undefined,
  ): Promise<Descriptor> {
    if (depth > MAX_INDEX_DEPTH) {
      throw new LimitError("levels", MAX_INDEX_DEPTH, depth, "nested indexes");
    }
    // A hook may replace the document or anything that it references, so it must be read.
    const isFixed = this.#options.before === undefined;
    // Read a document that the target probably lacks while asking the target for it.
    const reading = root?.isLikelyNew ? this.#read(descriptor, depth) : undefined;
    reading?.catch(() => {});
    // The registry of the distribution project claims to have a manifest that was pushed as a blob.
    const isBlob = this.#blobs.has(descriptor.digest);
    const isThere = isFixed && !isBlob && (root?.isThere ?? await this.#exists(descriptor));
    if (isThere && isManifestMediaType(descriptor.mediaType)) {
      await reading;
      return await this.#skip(descriptor, depth);
    }
    const document = await (reading ?? this.#read(descriptor, depth));
    const copied = new Map<Digest, Descriptor>();
    const successors = await this.#successors(document);
    const each = document.value.kind === "index" ? this.#jobs : Infinity;
    await this.#tasks.each(successors, each, async (successor) => {
      copied.set(successor.digest, await this.#node(successor, depth + 1));
    });
    if (isThere) return await this.#skip(descriptor, depth);
    const node = { descriptor, document, copied };
    const stored = await this.#store(node, openBytes(document.bytes), root);
    if (stored.digest === descriptor.digest) this.#subjects.push({ descriptor, depth });
    return stored;
  }

  async #skip(descriptor: Descriptor, depth: number): Promise<Descriptor> {
    await this.#options.skipped?.(descriptor);
    this.#report(descriptor, "skipped", descriptor.size);
    this.#subjects.push({ descriptor, depth });
    const push = this.#target.push.bind(this.#target);
    this.#claim(descriptor, () => {
      return this.#document(descriptor, depth, { isThere: false, isLikelyNew: false, push });
    });
    return descriptor;
  }

  /**
   * Copies the referrers of all documents so far, and their referrers. A document does not wait for
   * its referrers, because one of them may be an index that references it.
   */
  async #copyReferrers(): Promise<void> {
    const source = this.#source;
    if (!this.#options.withReferrers || source.referrers === undefined) return;
    while (this.#subjects.length > 0) {
      const subjects = this.#subjects.splice(0);
      await this.#tasks.each(subjects, this.#jobs, async ({ descriptor, depth }) => {
        const found = await source.referrers?.(descriptor, { signal: this.#tasks.signal }) ?? [];
        await this.#tasks.each(found, this.#jobs, async (referrer) => {
          await this.#node(referrer, depth + 1);
        });
      });
    }
  }

  /** Stores a node, or its replacement by a hook, unless the target has it. */
  async #store(node: CopyNode, open: OpenContent, root?: RootHandling): Promise<Descriptor> {
    const signal = this.#tasks.signal;
    signal.throwIfAborted();
    const { descriptor, open: bytes } = await this.#replace(node) ?? { ...node, open };
    const isBlob = node.document === undefined;
    const isNew = isBlob || descriptor.digest !== node.descriptor.digest ||
      this.#options.before !== undefined;
    const push = root?.push ?? this.#target.push.bind(this.#target);
    const send = async (skipMount: boolean) => {
      const how = await this.#withParts(node.copied.keys(), () => {
        return push(descriptor, bytes, {
          signal,
          source: this.#source.origin,
          skipMount,
          onBytes: (sent) => this.#report(node.descriptor, "sending", sent),
          onRetry: () => this.#report(node.descriptor, "retry", 0),
        });
      });
      await this.#options.after?.(node, descriptor);
      this.#report(node.descriptor, how ?? "copied", node.descriptor.size);
      return how;
    };
    const sendBytes = () => isBlob ? this.#permits.run(() => send(true), signal) : send(true);
    // Any other document is absent: `#document()` has asked the target for it.
    if (isNew && root === undefined && await this.#exists(descriptor)) {
      await this.#options.skipped?.(descriptor);
      this.#report(node.descriptor, "skipped", node.descriptor.size);
      this.#claim(node.descriptor, sendBytes);
    } else if (await send(false) === "mounted") {
      this.#claim(node.descriptor, sendBytes);
    }
    return descriptor;
  }

  /** Records how to send content that the target claims to have. */
  #claim(descriptor: Descriptor, send: () => Promise<unknown>): void {
    let sent: Promise<unknown> | undefined;
    this.#claims.set(descriptor.digest, () => {
      if (sent === undefined) this.#report(descriptor, "retry", 0);
      return sent ??= send();
    });
  }

  /**
   * Pushes a document. If the target lacks a part of it, sends the parts that it claims to have, and
   * pushes the document once more: a registry may not find blobs that it lists (cc-utils#1761).
   */
  async #withParts<T>(parts: Iterable<Digest>, push: () => Promise<T>): Promise<T> {
    try {
      return await push();
    } catch (error) {
      const claims = [...parts].flatMap((digest) => this.#claims.get(digest) ?? []);
      if (claims.length === 0 || !lacksPart(error)) throw error;
      await this.#tasks.each(claims, this.#jobs, async (send) => void await send());
      return await push();
    }
  }

  async #replace(node: CopyNode): Promise<Replacement | undefined> {
    const replacement = await this.#options.before?.(node) ?? undefined;
    if (replacement !== undefined || node.document === undefined) return replacement;
    return rewriteDocument(node.document, node.copied);
  }

  async #exists(descriptor: Descriptor): Promise<boolean> {
    return await this.#target.exists(descriptor, { signal: this.#tasks.signal });
  }

  async #successors(document: ImageDocument<ManifestDocument>): Promise<readonly Descriptor[]> {
    const { kind } = document.value;
    const all = childrenOf(document.value);
    const node = { descriptor: document.descriptor, document, copied: new Map() };
    const chosen = await this.#options.successors?.(node, all) ?? all;
    // The largest first: a large blob that starts last would delay the end.
    return chosen.filter((descriptor) => this.#isWanted(descriptor))
      .toSorted((a, b) => kind === "index" ? 0 : b.size - a.size);
  }

  #isWanted(descriptor: Descriptor): boolean {
    const { foreignLayers = "skip" } = this.#options;
    if (foreignLayers === "copy" || !isForeignLayer(descriptor)) return true;
    if (foreignLayers === "skip") return false;
    throw new OciError("its media type says that it must not be distributed", {
      code: "not-distributable",
      action: `copy the layer ${descriptor.digest}`,
      subject: descriptor.digest,
      option: "foreignLayers",
    });
  }

  async #read(
    descriptor: Descriptor,
    depth: number,
  ): Promise<ImageDocument<ManifestDocument>> {
    const bytes = await readBytes(
      descriptor,
      (options) => this.#open(descriptor, options),
      { maxBytes: MAX_MANIFEST_BYTES, signal: this.#tasks.signal },
    );
    const document = { descriptor, bytes, value: parseManifest(bytes, descriptor.mediaType) };
    if (depth === 0) this.#root = document;
    return document;
  }

  async #open(
    descriptor: Descriptor,
    options: Parameters<OpenContent>[0] = {},
  ): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    const embedded = embeddedData(descriptor);
    return embedded === undefined
      ? await this.#source.fetch(descriptor, { signal: this.#tasks.signal, ...options })
      : await openBytes(embedded)(options);
  }

  #report(descriptor: Descriptor, state: CopyProgress["state"], bytes: number): void {
    this.#options.onProgress?.({ descriptor, state, bytes });
  }
}

/** Returns whether a registry rejects a document because it lacks a part of it. */
function lacksPart(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error.status >= 500) return false;
  const { registryCode = "", detail = "" } = error;
  // Artifactory reports "Failed to copy blob" (cc-utils#1752).
  return /^(?:MANIFEST_)?BLOB_UNKNOWN$/.test(registryCode) ||
    (registryCode === "MANIFEST_INVALID" && /\bblob\b/i.test(detail));
}

/** Refuses a root whose parts would be unknown, and thus not copied. */
function assertDocument({ mediaType, digest }: Descriptor): void {
  if (isDocumentMediaType(mediaType)) return;
  throw new OciError(
    `its media type ${quote(mediaType, 80)} is not that of a manifest or an index`,
    { code: "invalid-document", action: `copy ${digest}`, subject: digest },
  );
}

/** What is known about the root at the target, and how to push it. */
interface RootHandling {
  /** Whether the target has it; `undefined` if unknown. */
  readonly isThere: boolean | undefined;
  /** Whether the target probably lacks it, because it does not have the name. */
  readonly isLikelyNew: boolean;
  readonly push: ContentTarget["push"];
}
